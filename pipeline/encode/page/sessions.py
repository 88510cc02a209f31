"""The page of a plan: who is in which session, the dose of each, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.encode.page.flow import FULL, Flow, Row, Table, fitted, small_table, stacked
from pipeline.encode.page.markers import markers, says
from pipeline.encode.page.model import (
    AMBER,
    GREY,
    MARGIN,
    RED,
    RGB,
    TOP,
    WHITE,
    Bar,
    Box,
    Curve,
    Disc,
    Map,
    Marks,
    Picture,
    Sheet,
    Text,
    Wash,
)  # fmt: skip
from pipeline.encode.page.slices import Slice
from pipeline.encode.proposal import colours_by_name, on_bed, prescribed, session_colour
from pipeline.findings import NOT_PLANNED
from pipeline.sessions.dosemap import Grid
from pipeline.sessions.gram import gram
from pipeline.sessions.kernel import equivalent_radius_mm
from pipeline.sessions.plan import Session, Why
from pipeline.sessions.planned import Planned
from pipeline.sessions.tables import V12_GY, Limits
from pipeline.sessions.told import ESTIMATE, sentences

MOST_DOSES, MOST_REASONS, MOST_NUMBERED = 10, 6, 20
MOST_GY = 24.0
"""Where the colours of doses end: what is above is inside targets."""

_AROUND_MM = 15.0
_MAP, _CURVE = 300.0, 430.0
_SHADOW_MM = 3.0
TOLERANCE = 1e-6
"""Of a limit: what only rounding exceeds does not exceed it."""
_SESSIONS = (("session", 100.0), ("day", 60.0), ("V12 ml", 90.0), ("minutes", 100.0), ("lesions", 650.0),
             ("largest dose to organs, Gy (of its limit)", 560.0))  # fmt: skip
_WAYS = (("way", 122.0), ("sessions", 85.0), ("largest V12 ml", 136.0), ("mean brain BED Gy", 128.0))
_PRESCRIBED = (("lesion", 245.0), ("target ml", 110.0), ("prescription (estimate)", 215.0),
               ("sessions", 130.0), ("row of the table", 860.0))  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A plan and what it is drawn with.

    markers:  of the lesions on the map, by name.
    left_out: sentences on outlines that may be lesions and are not planned; doubts: on prescriptions to look at twice.
    lesions:  whether volumes and prescriptions of lesions are shown.
    """

    planned: Planned
    slices: Sequence[Slice]
    markers: Mapping[str, str]
    colours: Mapping[str, RGB]
    excluded: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    lesions: bool = False

    def colour_of(self, session: Session) -> RGB:
        """Of a session, in whose part of the colour circle its lesions are; white where there is one alone."""
        return session_colour(session.number, self.planned.plan.chosen)


def shown_alone(planned: Planned, slices: Sequence[Slice]) -> Shown:
    """A plan without findings, whose lesions are shown nowhere else."""
    names = [n.name for n in planned.case.lesions]
    excluded = tuple(name for name in names if not planned.session_of(name))
    left_out = tuple(words for words in planned.remarks if words.startswith(NOT_PLANNED))
    return Shown(
        planned, slices, markers(names), colours_by_name(planned, names), excluded, left_out, lesions=True
    )  # fmt: skip


def plan_sheets(of: Shown) -> tuple[Sheet, ...]:
    """Map, curve, comparison, doses, sessions, and what is to be said."""
    return fitted(lambda scale: _laid_out(of, scale)).sheets


def _laid_out(of: Shown, scale: float) -> Flow:
    flow = Flow(f"Proposed treatment sessions: {ESTIMATE}", RED)
    _maps(flow, of)
    _curve(flow, of.planned)
    flow.y = TOP + _MAP + 40
    _doses(flow, of, scale)
    flow.table(_sessions(of))
    if of.lesions:
        flow.table(_lesions(of))
    _said(flow, of)
    _reasons(flow, of.planned)
    return flow


def _said(flow: Flow, of: Shown) -> None:
    """What must not be overlooked first, and nothing twice."""
    plan = of.planned.plan
    for words in of.left_out:
        flow.say(words, RED, bold=True)
    for words in plan.option.broken:
        flow.say(f"LIMIT EXCEEDED: {words}", RED, bold=True)
    for words in of.doubts:
        flow.say(words, AMBER)
    for words in (*sentences(plan)[1:], on_bed(plan), *of.planned.remarks):
        if words not in (*plan.option.broken, *of.left_out):
            flow.say(words)
    if of.excluded:
        flow.say(f"Excluded from the proposed sessions: {', '.join(_marked(n, of) for n in of.excluded)}.", AMBER)


def _maps(flow: Flow, of: Shown) -> None:
    for k, (axes, name, marks) in enumerate(
        (((0, 1), "from below", ("R", "L", "A", "P")), ((1, 2), "from the left", ("A", "P", "H", "F")))
    ):
        box = Box(MARGIN + k * (_MAP + 16), TOP + 20, _MAP, _MAP)
        numbers = f", {MOST_NUMBERED} largest marked" if len(of.markers) > MOST_NUMBERED else ""
        flow.put(Text(box.left, TOP, f"Seen {name}{numbers}", 14, GREY))
        flow.put(_map(of, box, axes, marks))


def _map(of: Shown, box: Box, axes: tuple[int, int], marks: Marks) -> Map:
    """A projection along the third axis; the vertical axis grows downwards in the data where it is A to P."""
    points = of.planned.case.brain_mm[:, list(axes)]
    shadow, extent = _shadow(points)
    discs = []
    for n in of.planned.case.lesions:
        x, y = (float(n.target.centre_mm[a]) for a in axes)
        radius = equivalent_radius_mm(n.target.volume_mm3)
        discs.append(Disc(x, y, radius, of.colours[n.name], of.markers[n.name]))
    discs.sort(key=lambda d: -d.radius)
    unnumbered = (replace(d, label="") for d in discs[MOST_NUMBERED:])
    return Map(box, shadow, extent, (*discs[:MOST_NUMBERED], *unnumbered), marks)


def _shadow(points: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.float32], tuple[float, float, float, float]]:
    """Where points (n, 2) are, 0...1, (second axis, first axis), smooth; and (left, right, first row, last row) mm."""
    low, high = points.min(axis=0) - 12, points.max(axis=0) + 12
    counts = np.ceil((high - low) / _SHADOW_MM).astype(int)
    index = np.clip(((points - low) / _SHADOW_MM).astype(int), 0, counts - 1)
    there = np.zeros((counts[1], counts[0]), bool)
    there[index[:, 1], index[:, 0]] = True
    closed = ndimage.binary_closing(there, iterations=3) | there  # slices may be farther apart than a cell
    end = low + counts * _SHADOW_MM
    smooth = ndimage.gaussian_filter(ndimage.binary_fill_holes(closed).astype(np.float32), 1.0)
    return smooth, (float(low[0]), float(end[0]), float(low[1]), float(end[1]))


def _curve(flow: Flow, planned: Planned) -> None:
    plan, brain = planned.plan, planned.case.limits.brain()
    points = tuple((o.sessions, max(o.v12_ml, default=0.0), bool(o.broken)) for o in plan.curve)
    left = MARGIN + 2 * (_MAP + 16) + 10
    flow.put(Text(left, TOP, "Sessions against the largest V12 of one, ml", 14, GREY))
    flow.put(Curve(Box(left, TOP + 20, _CURVE, _MAP), points, plan.chosen, brain.warn_ml, brain.most_ml))
    rows = tuple(
        Row((c.name, str(c.sessions), f"{c.v12_ml:.1f}", f"{c.bed_gy:.2f}"), WHITE if c.name == "optimised" else GREY)
        for c in plan.compared
    )
    left += _CURVE + 20
    flow.put(Text(left, TOP, "The same lesions treated in other ways", 14, GREY))
    flow.put(*small_table(Table(_WAYS, rows), left, TOP + 26))


def _doses(flow: Flow, of: Shown, scale: float) -> None:
    """A colour wash for each session on the image with most of its V12, those with the largest V12."""
    grid, sessions = of.planned.case.grid, of.planned.plan.sessions
    if grid is None or not of.slices:
        return
    maps = of.planned.maps_gy()
    highest = min(max(float(m.max()) for m in maps), MOST_GY)
    chosen = sorted(sorted(sessions, key=lambda s: -s.v12_ml)[:MOST_DOSES], key=lambda s: s.number)
    across = min(max(len(chosen), 4), 5)
    pitch = (FULL.width - 90) / across
    few = len(chosen) <= 4 and len(of.markers) <= 12
    height = (330.0 if few else 250.0 if len(chosen) <= 5 else 190.0) * scale
    for k, session in enumerate(chosen):
        row, column = divmod(k, across)
        box = Box(MARGIN + column * pitch, flow.y + row * (height + 50), pitch - 12, height)
        _dose(flow, of, session, maps[sessions.index(session)], highest, box)
    flow.put(Bar(Box(FULL.left + FULL.width - 78, flow.y + 10, 18, height - 20), highest))
    flow.y += -(-len(chosen) // across) * (height + 50)
    left_out = [str(s.number) for s in sessions if s not in chosen]
    if left_out:
        flow.say(f"Without a picture, those with the smallest V12: sessions {', '.join(left_out)}.", GREY)


def _dose(flow: Flow, of: Shown, session: Session, gy: npt.NDArray[np.float32], highest_gy: float, box: Box) -> None:
    grid = of.planned.case.grid
    assert grid is not None
    at = fullest(of.slices, gy, grid)
    beneath = of.slices[at]
    image = beneath.pixels()
    wash = Wash(beneath.sampled(gy, grid, image.shape), highest_gy)
    brain = beneath.sampled(grid.brain.astype(np.float32), grid, image.shape) > 0.5
    view = beneath.around(brain, _AROUND_MM)
    flow.put(Picture(box, image, beneath.aspect, beneath.marks, wash=wash, view=view))
    words = f"Session {session.number}, day {session.day}: V12 {session.v12_ml:.1f} ml"
    where = f"image {at + 1} of {len(of.slices)}, highest {float(gy.max()):.1f} Gy"
    below = Box(box.left, box.top + box.height + 2, box.width, 40)
    flow.put(*stacked([(words, of.colour_of(session), True), (where, GREY, False)], below))


def fullest(slices: Sequence[Slice], gy: npt.NDArray[np.float32], grid: Grid) -> int:
    """The image with the largest area of 12 Gy or more; the one through the highest dose where there is none."""
    index = np.argwhere(gy >= min(V12_GY, float(gy.max())))
    points = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    reach = float(np.linalg.norm(grid.affine[:3, :3], axis=0).max()) / 2 + 1e-6
    seen = [k for k, s in enumerate(slices) if s.seen]
    away = np.stack([slices[k].distances_mm(points) for k in seen])
    near = (away <= np.maximum(reach, away.min(axis=0) + 1e-6)).sum(axis=1)
    middle = np.abs(away).mean(axis=1)  # of several alike the one nearest to all points
    return seen[min(range(len(seen)), key=lambda k: (-near[k], middle[k]))]


def _lesions(of: Shown) -> Table:
    """What each is to get, the order of the sessions kept."""
    rows = []
    for n in sorted(of.planned.case.lesions, key=lambda n: (of.planned.session_of(n.name) or (99,), n.name)):
        numbers = ", ".join(map(str, of.planned.session_of(n.name))) or "excluded"
        up_to = f"up to {n.prescription.up_to_mm:g} mm: {n.prescription.source}"
        volume = f"{n.target.volume_mm3 / 1000:.2f}"
        cells = (_marked(n.name, of), volume, prescribed(of.planned, n.name), numbers, up_to)
        rows.append(Row(cells, of.colours[n.name]))
    return Table(_PRESCRIBED, tuple(rows))


def _sessions(of: Shown) -> Table:
    rows = []
    limits = of.planned.case.limits
    for s in of.planned.plan.sessions:
        organs = ", ".join(_organ(name, gy, limits) for name, gy in s.organs_gy.items())
        lesions = ", ".join(_named(name, s, of) for name in s.lesions)
        over = RED if s.v12_ml > limits.brain().most_ml or _any_over(s, limits) else WHITE
        cells = (str(s.number), str(s.day), f"{s.v12_ml:.1f}", f"{s.minutes:.0f}", lesions, organs or "-")
        rows.append(Row(cells, of.colour_of(s), over))
    return Table(_SESSIONS, tuple(rows))


def _organ(name: str, gy: float, limits: Limits) -> str:
    """Its dose beside the limit of a single session, where it has one."""
    limit = limits.organ(name)
    return f"{name} {gy:.1f}{f' of {limit.most_gy:g}' if limit else ''}"


def _any_over(session: Session, limits: Limits) -> bool:
    of = ((gy, limits.organ(name)) for name, gy in session.organs_gy.items())
    return any(limit is not None and gy > limit.most_gy * (1 + TOLERANCE) for gy, limit in of)


def _named(name: str, session: Session, of: Shown) -> str:
    """With its marker on the map, where its name does not say it, and which of its fractions it is."""
    fraction, fractions = session.fractions[name]
    called = _marked(name, of)
    return called if fractions == 1 else f"{called} ({fraction} of {fractions})"


def _marked(name: str, of: Shown) -> str:
    return name if says(name, of.markers[name]) else f"{of.markers[name]}: {name}"


def _reasons(flow: Flow, planned: Planned) -> None:
    """Of each pair that is kept apart one, those first that would give the brain most together."""
    main = weightiest(planned)[:MOST_REASONS]
    if not main:
        return
    flow.skip(6)
    flow.keep_together(lines=3)
    of = f"the weightiest {len(main)} of {len(planned.plan.why)} reasons"
    flow.say(f"Why ({of}; all are in the report, or in plan.json):", GREY)
    for why in main:
        flow.say(f"{why.lesion} not in session {why.session}: {why.words}.")


def weightiest(planned: Planned) -> tuple[Why, ...]:
    """Of each pair that is kept apart one reason, in the order of what moving the lesion would cost the brain."""
    doses, outside = planned.case.brain_doses()
    together = gram(doses[:, outside], planned.case.voxel_ml)
    rows = {n.name: k for k, n in enumerate(planned.case.lesions)}
    members = {s.number: {rows[name] for name in s.lesions} for s in planned.plan.sessions}

    def cost(why: Why) -> float:
        one, own = rows[why.lesion], planned.session_of(why.lesion)[0]
        there, here = (sorted(members[s] - {one}) for s in (why.session, own))
        return float(together[one, there].sum() - together[one, here].sum())

    first: dict[frozenset[str], Why] = {}
    for why in sorted(planned.plan.why, key=lambda w: -cost(w)):
        first.setdefault(frozenset({why.lesion, why.other or why.lesion}), why)
    return tuple(first.values())
