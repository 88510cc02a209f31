"""What the Mammography CAD SR IOD says beside its templates (PS3.3 A.35.5), and what rows cannot say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.uid import MammographyCADSRStorage

from pipeline.templates.check import Images
from pipeline.templates.fault import Fault
from pipeline.templates.items import Item, Term

VALUE_TYPES = frozenset(
    {"TEXT", "CODE", "NUM", "DATE", "TIME", "UIDREF", "PNAME", "SCOORD", "COMPOSITE", "IMAGE", "CONTAINER"}
)
"""PS3.3 A.35.5.3.1.2."""

_NAMED = ("TEXT", "CODE", "NUM", "DATE", "TIME", "UIDREF", "PNAME", "CONTAINER")
_SAID = ("TEXT", "CODE", "NUM")
_RELATIONSHIPS = (
    ("CONTAINS", ("CONTAINER",), "CODE NUM SCOORD IMAGE CONTAINER TEXT DATE", False),
    ("HAS OBS CONTEXT", (*_SAID, "CONTAINER"), "TEXT CODE NUM DATE TIME PNAME UIDREF COMPOSITE", False),
    ("HAS ACQ CONTEXT", ("IMAGE",), "TEXT CODE DATE TIME NUM", False),
    ("HAS CONCEPT MOD", ("CONTAINER", "CODE", "NUM", "COMPOSITE", "TEXT"), "TEXT CODE", False),
    ("HAS PROPERTIES", _SAID, "CONTAINER TEXT CODE NUM DATE IMAGE SCOORD UIDREF", True),
    ("INFERRED FROM", ("CODE", "NUM"), "CODE NUM SCOORD CONTAINER TEXT IMAGE", True),
    ("SELECTED FROM", ("SCOORD",), "IMAGE", True),
)
"""Table A.35.5-2 as DCMTK has it (dsrmamcc.cc): relationship, from, to, whether by reference too."""

_TABLE = "PS3.3 Table A.35.5-2"
_SUMMARY, _DETECTIONS, _ANALYSES, _INTENT = "111017", "111064", "111065", "111056"
_REQUIRED = "111150"
_SUCCEEDED, _PARTIALLY, _FAILED, _NOT_ATTEMPTED = "111222", "111223", "111224", "111225"
_LISTS = ((("111063", "111062"), (_SUCCEEDED, _PARTIALLY)), (("111025", "111024"), (_FAILED, _PARTIALLY)))
"""Containers, and the summaries that they go with."""


def faults(report: Dataset, root: Item, images: Images) -> Iterator[Fault]:
    """Of document, content items, relationships, references, coordinates, and of what the summaries say."""
    yield from _document(report, root)
    at = {item.position: item for item in root.walk()}
    for item in root.walk():
        yield from _item(item, at)
    yield from _references(report, root)
    yield from _coordinates(root, at, images)
    yield from _summaries(root)
    yield from _algorithms(root)


def _document(report: Dataset, root: Item) -> Iterator[Fault]:
    if report.get("SOPClassUID") != MammographyCADSRStorage:
        yield Fault(root.path, f"the SOP Class is {report.get('SOPClassUID')}", "PS3.3 A.35.5")
    if report.get("Modality") != "SR":
        yield Fault(root.path, f"the Modality is {report.get('Modality')}, and shall be SR", "PS3.3 C.17.1")
    template = (report.get("ContentTemplateSequence") or [Dataset()])[0]
    if (template.get("MappingResource"), template.get("TemplateIdentifier")) != ("DCMR", "4000"):
        yield Fault(root.path, "the root does not name template 4000 of DCMR", "PS3.3 C.18.8, A.35.5.3.1.1")


def _item(item: Item, at: dict[tuple[int, ...], Item]) -> Iterator[Fault]:
    if item.target is None and item.value_type not in VALUE_TYPES:
        yield Fault(item.path, f"the value type {item.value_type or '(none)'} is not allowed", "PS3.3 A.35.5.3.1.2")
    if item.value_type in _NAMED and item.name is None:
        yield Fault(item.path, f"a {item.value_type} has a concept name, and this has none", "PS3.3 Table C.17-5")
    if item.value_type == "CONTAINER" and item.dataset.get("ContinuityOfContent") not in ("SEPARATE", "CONTINUOUS"):
        yield Fault(item.path, "Continuity Of Content is missing", "PS3.3 C.18.8")
    for child in item.children:
        shown = child if child.target is None else at.get(child.target)
        if shown is None:
            continue  # said where templates are checked
        words = _relationship(item, child, shown)
        if words:
            yield Fault(child.path, words, _TABLE)
        if child.target is not None and child.target == item.position[: len(child.target)]:
            yield Fault(child.path, "the reference leads to an item above it: a loop", "PS3.3 C.17.3.2.5")


def _relationship(item: Item, child: Item, shown: Item) -> str:
    known = [row for row in _RELATIONSHIPS if row[0] == child.relationship]
    if not known:
        return f"there is no relationship {child.relationship!r} here"
    _, sources, targets, by_reference = known[0]
    if item.value_type not in sources or shown.value_type not in targets.split():
        return f"{item.value_type} {child.relationship} {shown.value_type} is not allowed"
    return "it is by reference, which this relationship may not be" if child.target and not by_reference else ""


def _references(report: Dataset, root: Item) -> Iterator[Fault]:
    """Every object that the tree names is among the evidence (PS3.3 C.17.2)."""
    listed = set(_evidence(report))
    for item in root.walk():
        if item.value_type in ("IMAGE", "COMPOSITE") and item.target is None and item.image[1] not in listed:
            yield Fault(item.path, "the object is not among the evidence of the document", "PS3.3 C.17.2.3")
    seen: dict[str, Item] = {}
    for item in (i for i in root.walk() if i.value_type == "IMAGE" and i.relationship == "CONTAINS"):
        if item.image[1] in seen:
            yield Fault(item.path, "the image is in the Image Library twice", "TID 4020")
        seen[item.image[1]] = item


def _evidence(report: Dataset) -> Iterator[str]:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in report.get(keyword) or []:
            for series in study.get("ReferencedSeriesSequence") or []:
                yield from (str(i.get("ReferencedSOPInstanceUID")) for i in series.get("ReferencedSOPSequence") or [])


def _coordinates(root: Item, at: dict[tuple[int, ...], Item], images: Images) -> Iterator[Fault]:
    for item in (i for i in root.walk() if i.value_type == "SCOORD"):
        for child in item.children:
            image = child if child.target is None else at.get(child.target)
            header = images.get(image.image[1]) if image else None
            if header is not None and not _inside(item.graphic[1], header):
                yield Fault(item.path, "the coordinates lie outside the image", "PS3.3 C.18.6.1.2")


def _inside(data: tuple[float, ...], header: Dataset) -> bool:
    most = float(header.get("Columns") or 0), float(header.get("Rows") or 0)
    return all(0 <= value <= most[k % 2] for k, value in enumerate(data))


def _summaries(root: Item) -> Iterator[Fault]:
    """CAD Processing and Findings Summary against the two other summaries and the findings (CID 6047)."""
    values = {i.name.value: i for i in root.children if i.name and i.value_type == "CODE"}
    summary = values.get(_SUMMARY)
    if summary is None or summary.code is None:
        return
    states = [i.code.value for key in (_DETECTIONS, _ANALYSES) if (i := values.get(key)) and i.code]
    if words := _status(summary.code.value, states):
        yield Fault(summary.path, words, "CID 6047, CID 6042")
    shown = [i for i in summary.walk() if i.name == Term(_INTENT, "DCM") and i.code and i.code.value == _REQUIRED]
    if summary.code.value in ("111241", "111243", "111245") and shown:
        yield Fault(summary.path, "the summary says without findings, and there are some to be presented", "CID 6047")
    for key in (_DETECTIONS, _ANALYSES):
        if key in values:
            yield from _listed(values[key])


def _status(summary: str, states: list[str]) -> str:
    trouble = any(s in (_FAILED, _PARTIALLY) for s in states)
    success = any(s in (_SUCCEEDED, _PARTIALLY) for s in states)
    if summary in ("111241", "111242") and (trouble or not success):
        return "the summary says that all algorithms succeeded, and the other summaries do not"
    if summary in ("111243", "111244") and not trouble:
        return "the summary says that not all algorithms succeeded, and the other summaries do not"
    if summary == "111245" and success:
        return "the summary says that no algorithm succeeded, and the other summaries do not"
    return ""


def _listed(summary: Item) -> Iterator[Fault]:
    """What succeeded is listed where something did, what failed where something did (TID 4015, 4016)."""
    there = {i.name.value for i in summary.children if i.name}
    state = summary.code.value if summary.code else ""
    for names, states in _LISTS:
        if bool(there.intersection(names)) != (state in states) and state != _NOT_ATTEMPTED:
            words = "what is listed as successful and as failed does not go with the summary"
            yield Fault(summary.path, words, "TID 4015, TID 4016, CID 6042")
            return


def _algorithms(root: Item) -> Iterator[Fault]:
    """Two detections of one kind are told apart by their algorithm identification (TID 4017)."""
    seen: dict[tuple[object, ...], list[Item]] = defaultdict(list)
    for item in root.walk():
        if item.name == Term("111022", "DCM"):
            texts = tuple(str(c.dataset.get("TextValue")) for c in item.children if c.value_type == "TEXT")
            seen[(item.position[:-1], item.code, texts)].append(item)
    for items in seen.values():
        for item in items[1:]:
            yield Fault(item.path, "another detection of this kind has the same algorithm identification", "TID 4017")
