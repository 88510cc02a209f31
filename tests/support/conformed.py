"""Objects as pipelines lead to them, of other findings and images than the conformance statement is made with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import DataElement, Dataset

from node.conformance.model import Attribute, Statement
from node.conformance.watch import beneath
from pipeline.core.forms import Coordinates, Form, Holes, Segments
from pipeline.encode import Encoded, encode
from pipeline.encode.modules import PATIENT_AND_STUDY
from pipeline.findings import Correction, Corrections, Edit, Extra, Findings, Origin
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    STAMP,
    Grid,
    findings_on,
    planned,
    sited,
    spheres,
    with_rejected,
    write_classic,
    write_enhanced,
)
from tests.support.followed import with_follow_up
from tests.support.mammograms import marked, unmarked, write_study

LOSSY = {
    "LossyImageCompression": "01",
    "LossyImageCompressionRatio": 7.25,
    "LossyImageCompressionMethod": "ISO_10918_1",
}
SAID = {
    "TimezoneOffsetFromUTC": "+0130",
    "StationName": "ROOM 3",
    "InstitutionName": "Klinik",
    "DeviceSerialNumber": "77",
}
OTHER = Form(segments=Segments.LABELMAP, holes=Holes.XOR, coordinates=Coordinates.IMAGE)
BEFORE = (("1.2.840.10008.5.1.4.1.1.88.34", "2.25.11", "2.25.12"),)
SEG_BEFORE = (("1.2.840.10008.5.1.4.1.1.66.4", "2.25.13", "2.25.14"),)
CAD_BEFORE = (("1.2.840.10008.5.1.4.1.1.88.50", "2.25.15", "2.25.16"),)
AGAIN = replace(STAMP, seed="b" * 64, supersedes=BEFORE, replaces=SEG_BEFORE, cad_reports=CAD_BEFORE)


def objects(folder: Path) -> Iterator[Encoded]:
    """Of all SOP Classes: with much to say and with little, on classic, Enhanced and lossy images, in several forms."""
    much, little = _much(folder / "much"), _little(folder / "little")
    yield from encode(much, AGAIN)
    yield from encode(little, STAMP)
    yield from encode(replace(little, lesions=(), labels=None), replace(STAMP, seed="c" * 64))
    for k, form in enumerate((OTHER, Form(per_lesion=True, all_frames=True))):
        bare = replace(much, planned=None, extras=frozenset())
        yield from encode(bare, replace(AGAIN, seed=f"form {k}", form=form))
        yield from encode(little, replace(STAMP, seed=f"little {k}", form=form))
    yield from encode(marked(write_study(folder / "marked", **LOSSY, **SAID)), replace(AGAIN, seed="d" * 64))
    yield from encode(
        unmarked(write_study(folder / "unmarked", ImagerPixelSpacing=None)), replace(STAMP, seed="e" * 64)
    )


def _much(folder: Path) -> Findings:
    grid = Grid((12, 40, 36), (2.0, 1.0, 1.0), "oblique")
    labels = spheres(grid, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))
    labels[5, 12, 12] = 0
    frames = write_enhanced(folder, grid, PatientWeight=70, **LOSSY, **SAID)
    found = with_rejected(sited(findings_on(frames, grid, labels)), grid, labels, drawn=True)
    # Pages take long to draw, and those of mammograms are of the same SOP Class.
    extras = frozenset(Extra) - {Extra.PAGE}
    found = planned(with_follow_up(found), Wishes(sessions=2), step_mm=4.0, extras=extras)
    return replace(_by_hand(found), corrections=_corrections(found))


def _by_hand(found: Findings) -> Findings:
    first, *rest = found.lesions
    return replace(found, lesions=(replace(first, origin=Origin.MANUAL, probability=None, verdict=None), *rest))


def _corrections(found: Findings) -> Corrections:
    changes = tuple(Correction(Edit.CHANGED, n.label, n.tracking_uid, n.origin, "drawn anew") for n in found.lesions)
    return Corrections("somebody", "1.2.840.10008.5.1.4.1.1.481.3", "2.25.21", "2.25.22", changes, compared=True)


def _little(folder: Path) -> Findings:
    grid = Grid((8, 30, 28), (3.0, 1.0, 1.0))
    labels = spheres(grid, ((4, 12, 12), 8.0))
    gone = dict.fromkeys(("PatientAge", "StudyDescription", "SpecificCharacterSet", "Manufacturer"))
    return findings_on(write_classic(folder, grid, **gone), grid, labels)


def stated_attributes(statement: Statement, sop_class_uid: str) -> dict[tuple[str, ...], Attribute]:
    created = next(c for c in statement.objects.created if c.sop_class.uid == sop_class_uid)
    modules = (*statement.objects.common, *created.modules)
    return {a.path: a for m in modules for a in m.attributes}


@dataclass
class Real:
    """What real objects of one SOP Class hold: of each attribute its elements, and how many data sets could have it."""

    items: Counter[tuple[str, ...]] = field(default_factory=Counter)
    elements: dict[tuple[str, ...], list[DataElement]] = field(default_factory=lambda: defaultdict(list))

    def look(self, dataset: Dataset, stated: dict[tuple[str, ...], Attribute], path: tuple[str, ...] = ()) -> None:
        self.items[path] += 1
        for element in dataset:
            here = beneath(path, element.keyword)
            self.elements[here].append(element)
            whole = len(here) == 1 and element.keyword in PATIENT_AND_STUDY  # copied with all that is in it
            if element.VR == "SQ" and not whole and not (here in stated and stated[here].coded):
                for item in element.value:
                    self.look(item, stated, here)
