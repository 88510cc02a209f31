"""A document as one HTML file that needs nothing else, for the screen and for paper."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from node.conformance.document import Block, Document, Figure, Paragraph, Section, Table

STYLE = """
:root { --ink: #1c2733; --soft: #5b6b7b; --line: #c9d3dd; --head: #e9eff5; --accent: #14507f; }
* { box-sizing: border-box; }
body { font: 15px/1.5 "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif; color: var(--ink);
  margin: 0 auto; max-width: 1080px; padding: 32px 40px 80px; background: #fff; }
header { border-top: 6px solid var(--accent); padding: 28px 0 8px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 10px; color: var(--accent); }
h2 { font-size: 22px; margin: 48px 0 12px; padding-bottom: 6px; border-bottom: 2px solid var(--accent); }
h3 { font-size: 18px; margin: 34px 0 8px; }
h4, h5, h6 { font-size: 15px; margin: 26px 0 6px; }
.number { color: var(--soft); margin-right: .6em; font-weight: 500; }
.warning { display: inline-block; border: 1px solid #b3261e; color: #b3261e; padding: 4px 12px; font-weight: 600; }
p { margin: 8px 0; max-width: 80ch; }
table { border-collapse: collapse; width: 100%; margin: 12px 0 22px; font-size: 13px; line-height: 1.35; }
caption { caption-side: top; text-align: left; font-weight: 600; padding: 6px 0; }
th, td { border: 1px solid var(--line); padding: 4px 8px; text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
th { background: var(--head); }
tbody tr:nth-child(even) td { background: #f8fafc; }
td.code { font-family: "Cascadia Mono", Consolas, "Liberation Mono", monospace; font-size: 12px; }
td.whole { white-space: nowrap; }
table.attributes { table-layout: fixed; }
table.attributes th:nth-child(1) { width: 13ch; }
table.attributes th:nth-child(2) { width: 36%; }
table.attributes th:nth-child(3) { width: 6ch; }
table.attributes th:nth-child(4), table.attributes th:nth-child(5) { width: 12ch; }
table.cover { width: auto; font-size: 14px; }
table.cover th { background: none; font-weight: 500; color: var(--soft); }
table.cover th, table.cover td { border: 0; padding: 2px 18px 2px 0; }
table.cover tbody tr:nth-child(even) td { background: none; }
nav { columns: 2; column-gap: 40px; font-size: 14px; margin: 8px 0 24px; }
nav a { display: block; color: var(--ink); text-decoration: none; padding: 1px 0; break-inside: avoid; }
nav a:hover { text-decoration: underline; }
nav .level-1 { font-weight: 600; margin-top: 8px; }
nav .level-2 { padding-left: 16px; }
nav .level-3 { padding-left: 32px; color: var(--soft); }
figure { margin: 16px 0 24px; }
figure svg { width: 100%; height: auto; }
figcaption { font-weight: 600; font-size: 13px; padding: 6px 0; }
@page { size: A4; margin: 18mm 16mm; }
@media print {
  body { font-size: 9.5pt; max-width: none; padding: 0; }
  table { font-size: 7.8pt; }
  td.code { font-size: 7.2pt; }
  thead { display: table-header-group; }
  tr, figure { break-inside: avoid; }
  h2, h3, h4, h5, h6, caption { break-after: avoid; }
  header { break-after: page; }
  tbody tr:nth-child(even) td, th { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""

_CLASSES = {"UID": "code whole", "Tag": "code whole", "Code value": "code", "Status": "code", "Cipher suite": "code"}
"""By the head of a column: those whose values people compare letter by letter, and that are not to be broken."""


def html(document: Document) -> str:
    """The whole page."""
    title = escape(document.title)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            *_header(document),
            "<main>",
            *(line for section in document.sections for line in _section(section)),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _header(document: Document) -> Iterator[str]:
    yield f"<header>\n<h1>{escape(document.title)}</h1>"
    yield f'<p class="warning">{escape(document.warning)}</p>'
    yield '<table class="cover"><tbody>'
    yield from (f'<tr><th scope="row">{escape(k)}</th><td>{escape(v)}</td></tr>' for k, v in document.cover)
    yield "</tbody></table>"
    yield '<nav aria-label="Contents">'
    for s in document.sections:
        if s.level < 4:
            yield f'<a class="level-{s.level}" href="#{s.anchor}">{s.number} {escape(s.title)}</a>'
    yield "</nav>\n</header>"


def _section(section: Section) -> Iterator[str]:
    tag = f"h{min(6, section.level + 1)}"
    number = f'<span class="number">{section.number}</span>'
    yield f'<{tag} id="{section.anchor}">{number}{escape(section.title)}</{tag}>'
    for block in section.blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield f"<p>{escape(block.text)}</p>"
        case Table():
            yield from _table(block)
        case Figure():
            yield f"<figure>\n{block.svg}\n<figcaption>{escape(block.caption)}</figcaption>\n</figure>"


def _table(table: Table) -> Iterator[str]:
    kind = ' class="attributes"' if table.heads[0] == "Tag" else ""
    yield f"<table{kind}>\n<caption>{escape(table.caption)}</caption>"
    heads = "".join(f'<th scope="col">{escape(h)}</th>' for h in table.heads)
    yield f"<thead><tr>{heads}</tr></thead>\n<tbody>"
    kinds = [f' class="{_CLASSES[h]}"' if h in _CLASSES else "" for h in table.heads]
    for row in table.rows:
        cells = "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))
        yield f"<tr>{cells}</tr>"
    yield "</tbody>\n</table>"
