"""Content tree against templates: every row is looked for, and every content item needs a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom import Dataset

from pipeline.templates.expand import Block, Entry, Slot, expand, flat
from pipeline.templates.fault import Fault
from pipeline.templates.items import Item, Term
from pipeline.templates.mammography import TEMPLATES
from pipeline.templates.rows import (
    ANY,
    AtLeastOneOf,
    Condition,
    ImageHas,
    ParentIs,
    ParentIsNot,
    RowIs,
    Values,
    With,
)
from pipeline.templates.values import complaints

Images = Mapping[str, Dataset]


@dataclass(slots=True)
class Level:
    """The items below one content item, and the rows they were found for."""

    parent: Item
    header: Dataset | None
    found: dict[Slot, list[Item]] = field(default_factory=dict)

    def count(self, entry: Entry) -> int:
        """How often a row, or anything of an included template, is there."""
        if isinstance(entry, Slot):
            return len(self.found.get(entry, ()))
        return sum(self.count(inner) for inner in entry.entries)


class Check:
    """One document against one root template. images: headers by SOP Instance UID, for conditions on attributes."""

    def __init__(self, root: Item, images: Images) -> None:
        self._at = {item.position: item for item in root.walk()}
        self._images = images
        self._library = frozenset(_library(root))

    def faults(self, tid: int) -> Iterator[Fault]:
        """All of them, from the root on."""
        (slot,) = flat(expand(TEMPLATES[tid].nodes, tid))
        root = self._at[(1,)]
        if not _is_named(slot, root):
            yield Fault(root.path, "the root is not what the template begins with", slot.rule)
        yield from self._below(root, slot, None)

    def _below(self, item: Item, slot: Slot, header: Dataset | None) -> Iterator[Fault]:
        if item.value_type == "IMAGE":
            header = self._images.get(item.image[1])
        expected = expand(slot.node.below, slot.tid)
        level = Level(item, header)
        yield from self._place(level, expected, TEMPLATES[slot.tid].tolerated)
        yield from _required(level, expected)

    def _place(self, level: Level, expected: tuple[Entry, ...], tolerated: frozenset[tuple[str, str]]
               ) -> Iterator[Fault]:  # fmt: skip
        last: tuple[int, ...] = ()
        for child in level.parent.children:
            shown = self._shown(child)
            if shown is None:
                yield Fault(child.path, "the reference leads nowhere", "PS3.3 C.17.3.2.5")
                self._count_broken(level, expected, child)
                continue
            slot, fault = _slot(level, expected, child, shown, tolerated)
            if fault:
                yield fault
            if slot is None:
                continue
            if slot.order < last:
                yield Fault(child.path, "stands after what shall follow it; the order is significant", slot.rule)
            last = max(last, slot.order)
            level.found.setdefault(slot, []).append(shown)
            yield from self._inside(child, slot, slot.node.row.values, level)

    def _count_broken(self, level: Level, expected: tuple[Entry, ...], child: Item) -> None:
        """So that the row that it was meant for is not said to be missing as well."""
        meant = [s for s in flat(expected) if s.by_reference and s.relationship == f"R-{child.relationship}"]
        if meant:
            level.found.setdefault(meant[0], []).append(child)

    def _inside(self, child: Item, slot: Slot, values: Values | None, level: Level) -> Iterator[Fault]:
        for words in complaints(child, values, self._library):
            yield Fault(child.path, words, slot.rule)
        if child.target is None:
            yield from self._below(child, slot, level.header)

    def _shown(self, child: Item) -> Item | None:
        return child if child.target is None else self._at.get(child.target)


def _library(root: Item) -> Iterator[tuple[int, ...]]:
    for box in root.children:
        if box.name == Term("111028", "DCM"):
            yield from (child.position for child in box.children if child.value_type == "IMAGE")


def _slot(level: Level, expected: tuple[Entry, ...], child: Item, shown: Item, tolerated: frozenset[tuple[str, str]]
          ) -> tuple[Slot | None, Fault | None]:  # fmt: skip
    """The row that a child belongs to, and what is wrong with its being there."""
    slots = flat(expected)
    fitting = [s for s in slots if _fits(s, child, shown)]
    if fitting:
        return min(fitting, key=lambda s: (not _is_open(level, s), bool(level.found.get(s)) and not s.many)), None
    blocks = [b for b in expected if isinstance(b, Block)]
    reachable = [b for b in blocks if _holds(level, expected, b.row.condition) is not False]
    let_pass = tolerated.union(*(TEMPLATES[b.row.included].tolerated for b in reachable))
    if (child.relationship, shown.value_type) in let_pass:
        return None, None
    near = _nearest(slots, child, shown)
    if near is None:
        return None, Fault(child.path, "no row of the template allows it here", _rules(slots))
    return near, Fault(child.path, _difference(near, child, shown), near.rule)


def _nearest(slots: tuple[Slot, ...], child: Item, shown: Item) -> Slot | None:
    """The row that was meant: of that name and type, of that name, of that type, or for such a reference."""
    tests = (
        lambda s: bool(s.names) and ANY not in s.names and _is_named(s, shown),
        lambda s: shown.name in s.names,
        lambda s: not s.names and _is_named(s, shown),
        lambda s: child.target is not None and s.relationship == f"R-{child.relationship}",
    )
    return next((s for test in tests for s in slots if test(s)), None)


def _rules(slots: tuple[Slot, ...]) -> str:
    tids = list(dict.fromkeys(s.tid for s in slots))
    return f"TID {', '.join(map(str, tids))}: not extensible" if tids else "its row has none below it"


def _difference(slot: Slot, child: Item, shown: Item) -> str:
    wanted = slot.relationship.removeprefix("R-")
    if slot.node.row.what != shown.value_type:
        return f"the value type is {shown.value_type}, and shall be {slot.node.row.what}"
    if wanted != child.relationship:
        return f"the relationship is {child.relationship or 'absent'}, and shall be {wanted}"
    return f"it shall be here by {'reference' if slot.by_reference else 'value'}"


def _fits(slot: Slot, child: Item, shown: Item) -> bool:
    return (
        _is_named(slot, shown)
        and slot.relationship.removeprefix("R-") == child.relationship
        and slot.by_reference == (child.target is not None)
    )


def _is_named(slot: Slot, item: Item) -> bool:
    """Whether value type and concept name are those of the row."""
    what = slot.node.row.what
    if what not in (ANY, item.value_type):
        return False
    return ANY in slot.names or (item.name in slot.names if slot.names else item.name is None or what == "IMAGE")


def _is_open(level: Level, slot: Slot) -> bool:
    return all(_holds(level, (), gate) is not False for gate in slot.gates)


def _required(level: Level, expected: tuple[Entry, ...]) -> Iterator[Fault]:
    for entry in expected:
        there = level.count(entry)
        if words := _presence(level, expected, entry, bool(there)):
            yield Fault(level.parent.path, words, entry.rule)
        if isinstance(entry, Slot) and there > 1 and not entry.many:
            yield Fault(level.parent.path, f"{entry.label} is there {there} times, and may be once", entry.rule)
        if isinstance(entry, Block) and there:
            yield from _required(level, entry.entries)
            yield from _in_step(level, entry)


def _in_step(level: Level, block: Block) -> Iterator[Fault]:
    """Of a template that is included several times, each mandatory row is there as often as the first."""
    always = [e for e in block.entries if isinstance(e, Slot) and e.row.requirement == "M" and not e.row.many]
    for entry in always[1:]:
        if level.count(entry) != level.count(always[0]):
            words = f"{entry.label} is not there as often as {always[0].label}"
            yield Fault(level.parent.path, words, entry.rule)


def _presence(level: Level, expected: tuple[Entry, ...], entry: Entry, there: bool) -> str:
    row = entry.row
    if row.requirement == "M":
        return "" if there else f"{entry.label} is mandatory, and is not there"
    if isinstance(row.condition, AtLeastOneOf):
        return _at_least_one(level, expected, entry, row.condition)
    state = _holds(level, expected, row.condition)
    if state and not there and row.requirement == "MC":
        return f"{entry.label} is not there, and its condition calls for it"
    optional = isinstance(row.condition, ImageHas) or getattr(row.condition, "otherwise", False)
    if state is False and there and not optional:
        return f"{entry.label} is there, and its condition forbids it"
    return ""


def _at_least_one(level: Level, expected: tuple[Entry, ...], entry: Entry, condition: AtLeastOneOf) -> str:
    """Found once, at the first of the rows."""
    if entry.row.number != condition.rows[0]:
        return ""
    others = [e for e in expected if e.row.number in condition.rows]
    if any(level.count(e) for e in others):
        return ""
    return f"at least one of {', '.join(e.label for e in others)} shall be there"


def _holds(level: Level, expected: tuple[Entry, ...], condition: Condition | None) -> bool | None:
    """Whether a condition is fulfilled; None where there is none, or nobody here can know."""
    match condition:
        case ParentIs():
            return _has_value(level.parent, condition.codes)
        case ParentIsNot():
            known = _has_value(level.parent, condition.codes)
            return None if known is None else not known
        case RowIs():
            items = [i for s in _rows(expected, (condition.row,)) for i in level.found.get(s, ())]
            return any(_has_value(item, condition.codes) for item in items)
        case ImageHas():
            return None if level.header is None else any(_has(level.header, k) for k in condition.keywords)
        case None | AtLeastOneOf():
            return None
    there = any(level.count(e) for e in expected if e.row.number in condition.rows)
    return there if isinstance(condition, With) else not there


def _rows(expected: tuple[Entry, ...], numbers: tuple[str, ...]) -> list[Slot]:
    return [e for e in expected if isinstance(e, Slot) and e.row.number in numbers]


def _has_value(item: Item, codes: tuple[str, ...]) -> bool | None:
    return None if item.code is None else item.code.value in codes


def _has(header: Dataset, keyword: str) -> bool:
    if keyword == "ViewModifierCodeSequence":
        views = header.get("ViewCodeSequence") or []
        return bool(views and views[0].get(keyword))
    value = header.get(keyword)
    return bool(value) if not hasattr(value, "__len__") else len(value) > 0
