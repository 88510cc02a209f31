// Looks into OHIF with Chromium as a person would, told what to do by lines of JSON, one answer a line.
//
//   node driver.mjs CHROMIUM PLAYWRIGHT_CORE
//
// {"do": "open", "url": ...}           a study; done when its images are on the screen
// {"do": "panel", "name": ...}         open a panel on the right
// {"do": "load", "sop": UID}           double-click the label of the series that holds this object
// {"do": "goto", "image": UID}         turn to that image of the series on the screen
// {"do": "next"}                       the next measurement of the report on the screen
// {"do": "clear"}                      take segmentations off the screen
// {"do": "state"}                      what OHIF and cornerstone hold, see page.js
// {"do": "text"}                       what is written on the screen, line by line
// {"do": "project", "points_mm": ...}  where points of the patient lie on the screen, in CSS pixels
// {"do": "picture", "path": ...}       the screen as PNG
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [, , chromiumPath, playwrightPath] = process.argv;
const { chromium } = createRequire(import.meta.url)(playwrightPath);
const PAGE = readFileSync(new URL('./page.js', import.meta.url), 'utf8');
const FLAGS = [
  '--no-sandbox',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
  '--ignore-gpu-blocklist',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE_MS = 60000;

const browser = await chromium.launch({ executablePath: chromiumPath, args: FLAGS });
let page = null;
let said = [];

async function start({ width, height }) {
  const context = await browser.newContext({ viewport: { width, height } });
  await context.addInitScript(PAGE);
  page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', error => said.push(String(error)));
}

async function open({ url, width, height }) {
  await page?.context().close(); // a page that was used keeps WebGL contexts and segmentations
  await start({ width, height });
  said = [];
  await page.goto(url);
  await page.waitForFunction(() => window.lantern.drawn());
  return panel({ name: 'panelSegmentation' });
}

async function panel({ name }) {
  await page.locator(`[data-cy="${name}-btn"]`).click();
  await page.evaluate(() => window.lantern.still());
}

async function load({ sop }) {
  const id = await (await page.waitForFunction(uid => window.lantern.displaySet(uid), sop)).jsonValue();
  const label = page.locator(`[id="thumbnail-${id}"]`);
  await label.scrollIntoViewIfNeeded();
  await label.dblclick();
  await page.waitForFunction(uid => window.lantern.ready(uid), id);
  await page.evaluate(() => window.lantern.still());
}

// The arrows of a report's viewport go from one measurement to the next, which may lie on the same image.
async function next() {
  const before = await page.evaluate(() => window.lantern.image());
  await page.locator('[data-cy="viewport-pane"] .flex.shrink-0.cursor-pointer.text-highlight svg').last().click();
  await page.mouse.move(1, 1);
  const moved = page.waitForFunction(was => ![null, was].includes(window.lantern.image()), before, { timeout: 5000 });
  await moved.catch(() => page.waitForFunction(() => window.lantern.image()));
  await page.evaluate(() => window.lantern.still());
}

const commands = {
  open,
  panel,
  load,
  clear: () => page.evaluate(() => window.lantern.clear()),
  next,
  goto: ({ image }) => page.evaluate(uid => window.lantern.turnTo(uid), image),
  state: () => page.evaluate(() => window.lantern.state()),
  text: async () => (await page.evaluate(() => document.body.innerText)).split('\n').filter(line => line.trim()),
  project: ({ points_mm }) => page.evaluate(points => window.lantern.project(points), points_mm),
  picture: ({ path }) => page.screenshot({ path }).then(() => path),
  errors: () => said,
  evaluate: ({ js }) => page.evaluate(js),
};

function tooLate() {
  return new Promise((_, fail) => setTimeout(() => fail(new Error('no answer in time')), 2 * PATIENCE_MS).unref());
}

for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, ...how } = JSON.parse(line);
  let answer;
  try {
    answer = { answer: (await Promise.race([commands[what](how), tooLate()])) ?? null };
  } catch (error) {
    answer = { failed: `${what}: ${error.message}`, errors: said };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
