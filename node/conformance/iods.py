"""The contents of created objects (PS3.2 A.8.1.1): what encoders make of made-up findings, attribute by attribute."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path as File
from tempfile import TemporaryDirectory

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_description, keyword_for_tag, tag_for_keyword
from pydicom.tag import Tag

from node.conformance.codes import codes_of
from node.conformance.made_up import Case, cases
from node.conformance.model import Attribute, Created, Module, Objects
from node.conformance.modules import ELSEWHERE, ModuleOf, module_of, modules_of
from node.conformance.names import term
from node.conformance.notes import NOTES
from node.conformance.watch import CODE, LONGEST, MOST_VALUES, Images, Path, Seen, Watch, together
from pipeline.encode.modules import PATIENT_AND_STUDY
from pipeline.encode.origin import HANDED_ON, LOSSY

MOST_SHOWN = 6
"""Codes of an attribute that are listed; where there are more, those of all objects are listed together."""

COPIED = {*LOSSY, "SpecificCharacterSet", "TimezoneOffsetFromUTC", "FrameOfReferenceUID", "PositionReferenceIndicator"}
"""Beside patient and study, even where only one case has them."""

COPIED_WHOLE = "as in the images, with all that is in it"

Makers = Mapping[str, tuple[str, ...]]
"""By the first word of a case's name: the pipelines that say such things."""


def created_objects(makers: Makers) -> Objects:
    """All SOP Classes that the encoders make, from made-up cases that are written, encoded and forgotten."""
    with TemporaryDirectory(prefix="lantern-conformance-") as folder:
        return objects_of(cases(File(folder)), makers)


def objects_of(made: Iterable[Case], makers: Makers) -> Objects:
    """The same of given cases."""
    watches: dict[str, Watch] = {}
    about: dict[str, _About] = {}
    datasets: list[Dataset] = []
    known: set[str] = set()
    for case in made:
        images = Images(dcmread(path, stop_before_pixels=True) for path in case.images)
        for encoded in case.made:
            uid = str(encoded.dataset.SOPClassUID)
            if encoded.dataset.SOPInstanceUID in known:  # the same in two forms
                continue
            known.add(encoded.dataset.SOPInstanceUID)
            watches.setdefault(uid, Watch()).look(encoded.dataset, case.name, images)
            about.setdefault(uid, _About()).add(
                encoded.part.value, encoded.dataset, makers.get(case.name.split()[0], ())
            )
            datasets.append(encoded.dataset)
    lists = {uid: _attributes(watch) for uid, watch in watches.items()}
    shared = _shared(_attributes(together(watches.values())), list(lists.values()))
    created = tuple(about[uid].created(uid, _modules(uid, lists[uid], shared)) for uid in sorted(lists, key=_by_name))
    private = tuple(sorted({str(e.tag) for ds in datasets for e in ds.iterall() if e.tag.is_private}))
    return Objects(_common(created, shared), created, *codes_of(datasets), private)


class _About:
    """What is known of the objects of one SOP Class beside their attributes."""

    def __init__(self) -> None:
        self.parts: dict[str, None] = {}
        self.modalities: dict[str, None] = {}
        self.makers: dict[str, None] = {}
        self.syntaxes: dict[str, None] = {}
        self.templates: dict[str, None] = {}

    def add(self, part: str, dataset: Dataset, makers: tuple[str, ...]) -> None:
        self.parts[part] = self.modalities[str(dataset.Modality)] = None
        self.syntaxes[str(dataset.file_meta.TransferSyntaxUID)] = None
        self.makers.update(dict.fromkeys(makers))
        for element in dataset.iterall():
            if element.keyword == "TemplateIdentifier":
                self.templates[str(element.value)] = None

    def created(self, uid: str, modules: tuple[Module, ...]) -> Created:
        return Created(
            sop_class=term(uid),
            parts=tuple(self.parts),
            modalities=tuple(self.modalities),
            makers=tuple(self.makers),
            syntaxes=tuple(term(s) for s in self.syntaxes),
            templates=tuple(sorted(self.templates)),
            modules=modules,
        )


def _by_name(uid: str) -> str:
    return term(uid).name


def _attributes(watch: Watch) -> dict[Path, Attribute]:
    """In the order of tags, sequences before what is in them."""
    coded = {path for path in watch.seen if path and _is_coded(path, watch)}
    kept = [p for p in watch.seen if p[:-1] not in coded and p[0] in p and not _in_copied(p)]
    return {p: _attribute(p, watch, p in coded) for p in sorted(kept, key=_place)}


def _place(path: Path) -> tuple[int, ...]:
    return tuple(_tag(keyword) for keyword in path)


def _tag(keyword: str) -> int:
    known = tag_for_keyword(keyword)
    return int(Tag(keyword) if known is None else known)


def _is_coded(path: Path, watch: Watch) -> bool:
    """A sequence of codes and nothing else (PS3.3 8.8): one line says it."""
    inside = {p[-1] for p in watch.seen if p[:-1] == path}
    return bool(inside) and inside <= CODE


def _in_copied(path: Path) -> bool:
    return any(keyword in PATIENT_AND_STUDY for keyword in path[:1]) and len(path) > 1


def _attribute(path: Path, watch: Watch, coded: bool) -> Attribute:
    seen, keyword = watch.seen[path], path[-1]
    tag = Tag(_tag(keyword))
    source, value = _source(path, seen)
    return Attribute(
        tag=f"({tag.group:04X},{tag.element:04X})",
        name=dictionary_description(tag) if keyword_for_tag(tag) else keyword,
        keyword=keyword,
        vr=str(seen.element.VR),
        depth=len(path) - 1,
        path=path,
        presence=presence(seen, watch.items.get(path[:-1], 0)),
        source=source,
        value=value,
        coded=coded,
    )


def presence(seen: Seen, items: int) -> str:
    """PS3.2's words; of an attribute in a sequence relative to its items."""
    always, ever, filled = seen.present == items, seen.filled > 0, seen.filled == seen.present
    if not ever:
        return "EMPTY" if always else "ANAPEV"
    if always:
        return "ALWAYS" if filled else "VNAP"
    return "ANAP" if filled else "ANAPCV"


def _source(path: Path, seen: Seen) -> tuple[str, str]:
    """Where values come from, and the values where they are few."""
    note = NOTES.get(path[-1], "") if len(path) == 1 else ""
    if path[0] in PATIENT_AND_STUDY:
        return "COPY", note or (COPIED_WHOLE if seen.element.VR == "SQ" else "")
    if not seen.filled:
        return "", note
    if seen.copied == seen.filled and (len(seen.values) > 1 or path[-1] in COPIED):
        return "COPY", note
    values = [v for v in seen.values if v]
    if _is_fixed(path, seen, values):
        return "FIXED", note or (f"{values[0]} {term(values[0]).name}" if seen.element.VR == "UI" else values[0])
    sources = "AUTO, COPY" if seen.copied and seen.element.VR not in ("CS", "US", "IS", "SQ") else "AUTO"
    return sources, note or _some(seen, values)


def _is_fixed(path: Path, seen: Seen, values: list[str]) -> bool:
    """One value in cases that differ in all else; but for what counts objects, segments and frames: all have few."""
    counts = path[-1] == "InstanceNumber" or (path[-1].startswith("Referenced") and path[-1].endswith("Number"))
    return not counts and len(seen.cases) > 1 and len(values) == len(seen.values) == 1 and len(values[0]) <= LONGEST


def _some(seen: Seen, values: list[str]) -> str:
    """Codes and enumerated values that were seen."""
    most = {"CS": MOST_VALUES, "SQ": MOST_SHOWN}.get(str(seen.element.VR), 0)
    few = 0 < len(values) <= most and all(len(v) <= LONGEST for v in values)
    return "such as " + "; ".join(values) if few and len(seen.values) == len(values) else ""


def _shared(every: Mapping[Path, Attribute], lists: list[dict[Path, Attribute]]) -> dict[Path, Attribute]:
    """The attributes that all SOP Classes have alike, with all that lies in them."""
    tops = {p[0] for p in every if len(p) == 1}
    alike = {top for top in tops if _alike(top, lists)}
    return {p: a for p, a in every.items() if p[0] in alike}


def _alike(top: str, lists: list[dict[Path, Attribute]]) -> bool:
    """What is copied is copied by the same code: how often it is there depends on the images, not on the object."""
    of_each = [{p: _bare(a) for p, a in attributes.items() if p[0] == top} for attributes in lists]
    return all(of == of_each[0] for of in of_each)


def _bare(attribute: Attribute) -> Attribute:
    copied = attribute.keyword in {*PATIENT_AND_STUDY, *HANDED_ON} and attribute.source == "COPY"
    return replace(attribute, presence="") if copied else attribute


def _modules(uid: str, attributes: Mapping[Path, Attribute], shared: Mapping[Path, Attribute]) -> tuple[Module, ...]:
    return _sorted_in(uid, [a for p, a in attributes.items() if p not in shared])


def _common(created: tuple[Created, ...], shared: Mapping[Path, Attribute]) -> tuple[Module, ...]:
    return _sorted_in(created[0].sop_class.uid, shared.values()) if created else ()


def _sorted_in(uid: str, attributes: Iterable[Attribute]) -> tuple[Module, ...]:
    """By modules, in the order of the IOD; what none of them has comes last."""
    of: dict[ModuleOf, list[Attribute]] = {}
    for attribute in attributes:
        of.setdefault(module_of(uid, attribute.path[0]), []).append(attribute)
    order = {m.name: k for k, m in enumerate(modules_of(uid))}
    found = sorted(of.items(), key=lambda kept: order.get(kept[0].name, len(order)))
    return tuple(Module(m.name, m.ie, m.usage, tuple(kept)) for m, kept in found if kept or m.name != ELSEWHERE)
