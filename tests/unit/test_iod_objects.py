"""The built-in rules on the objects that are made here: none is broken by any, and each is seen where it is planted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr.coding import CodedConcept
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread

from pipeline.core.uid import derive_uid
from pipeline.encode import encode, to_bytes
from pipeline.encode.modules import PATIENT_AND_STUDY
from pipeline.iod import check, check_set, copied_keywords, lost_text, references
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
)  # fmt: skip
from tests.support.mammograms import marked, unmarked, write_study

GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0), "oblique")
LABELS = spheres(GRID, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One of each kind, by name."""
    folder = tmp_path_factory.mktemp("objects")
    refs = write_classic(folder / "mr", GRID)
    findings = planned(sited(findings_on(refs, GRID, LABELS)), Wishes(sessions=2))
    findings = with_rejected(findings, GRID, np.flip(LABELS, (1, 2)).copy(), drawn=True)
    made = {e.name: to_bytes(e.dataset) for e in encode(findings, STAMP)}
    made |= {f"MG_{e.name}": to_bytes(e.dataset) for e in encode(marked(write_study(folder / "mg")), STAMP)}
    return made | {"KO": _key_objects([dcmread(BytesIO(made[name])) for name in ("SEG", "SR")])}


def _key_objects(named: list[Dataset]) -> bytes:
    title = CodedConcept("113000", "DCM", "Of Interest")
    content = KeyObjectSelection(document_title=title, referenced_objects=named)
    uids = {"series_instance_uid": derive_uid("ko"), "sop_instance_uid": derive_uid("ko", "1")}
    made = KeyObjectSelectionDocument(
        evidence=named, content=content, series_number=1, instance_number=1, manufacturer="Lantern", **uids
    )
    return to_bytes(made)


def test_every_kind_is_there_and_none_breaks_a_rule(objects: dict[str, bytes]) -> None:
    assert {"SEG", "SEG_REJECTED", "RTSTRUCT", "SR", "PM_1", "RTDOSE_1", "SC_1", "MG_CADSR", "MG_SR", "MG_GSPS_1", "KO",
            } <= set(objects)  # fmt: skip
    assert {name: check(data) for name, data in objects.items() if check(data)} == {}
    assert set(check_set([d for name, d in objects.items() if name != "KO" and "MG" not in name])) == {()}
    assert set(check_set([d for name, d in objects.items() if "MG" in name])) == {()}


@pytest.mark.parametrize("lesions", [0, 2])
def test_neither_do_those_of_an_enhanced_series_without_lesions_or_of_unmarked_mammograms(
    tmp_path: Path, lesions: int
) -> None:
    refs = write_enhanced(tmp_path / "mr", GRID)
    found = findings_on(refs, GRID, LABELS if lesions else np.zeros_like(LABELS))
    for e in (*encode(found, STAMP), *encode(unmarked(write_study(tmp_path / "mg")), STAMP)):
        assert check(to_bytes(e.dataset)) == (), e.name


def _child(ds: Dataset, value_type: str) -> Dataset:
    """The first content item of a type."""
    for item in ds.get("ContentSequence", []):
        if item.ValueType == value_type:
            return item
        below = _child(item, value_type)
        if len(below):
            return below
    return Dataset()


def _set(ds: Dataset, keyword: str, value: object) -> None:
    setattr(ds, keyword, value)


PLANTED: list[tuple[str, Callable[[Dataset], object], str]] = [
    ("SEG", lambda ds: ds.SegmentSequence.pop(), "ReferencedSegmentNumber (0062,000B) in PerFrame"),
    ("SEG", lambda ds: _set(ds.SegmentSequence[0], "SegmentNumber", 7), "does not count the segments from 1"),
    ("SEG", lambda ds: _set(ds, "NumberOfFrames", 1), "items for 1 frames"),
    ("SEG", lambda ds: ds.pop("FrameOfReferenceUID"), "is missing, and frames have positions in the patient"),
    ("SEG", lambda ds: ds.PerFrameFunctionalGroupsSequence[1].pop("PlanePositionSequence"), "and not shared either"),
    ("SEG", lambda ds: ds.SharedFunctionalGroupsSequence[0].pop("PixelMeasuresSequence"), "and not shared either"),
    ("SEG", lambda ds: ds.DimensionIndexSequence.pop(), "has not one value for each of 1 dimensions"),
    ("SEG", lambda ds: ds.SegmentSequence[0].pop("SegmentAlgorithmType"), "SegmentAlgorithmType (0062,0008)"),
    ("SEG", lambda ds: _set(ds, "PixelData", ds.PixelData[:-2]), "rows, columns, frames and bits make it"),
    ("SEG", lambda ds: ds.pop("ContentLabel"), "ContentLabel (0070,0080) is missing"),
    ("PM_1", lambda ds: _set(ds, "FloatPixelData", ds.FloatPixelData[:-4]), "FloatPixelData (7FE0,0008) has"),
    ("PM_1", lambda ds: ds.SharedFunctionalGroupsSequence[0].pop("RealWorldValueMappingSequence"), "and not shared"),
    ("RTDOSE_1", lambda ds: ds.pop("DoseUnits"), "DoseUnits (3004,0002) is missing"),
    ("RTDOSE_1", lambda ds: ds.PlanOverviewSequence[0].pop("TreatmentSite"), "TreatmentSite (3010,0077)"),
    ("RTSTRUCT", lambda ds: _set(ds, "StructureSetLabel", ""), "StructureSetLabel (3006,0002) is empty"),
    ("RTSTRUCT", lambda ds: _set(ds.StructureSetROISequence[1], "ROINumber", 1), "stands for two ROIs"),
    ("RTSTRUCT", lambda ds: _set(ds.ROIContourSequence[0], "ReferencedROINumber", 9), "is of no ROI of this structure"),
    ("RTSTRUCT", lambda ds: _set(ds.StructureSetROISequence[0], "ReferencedFrameOfReferenceUID", "1.2"), "is none of"),
    ("RTSTRUCT", lambda ds: _set(_contour(ds), "NumberOfContourPoints", 3), "numbers for 3 points"),
    ("RTSTRUCT", lambda ds: _set(_contour(ds), "ContourGeometricType", "CLOSED"), "is none that there is"),
    ("RTSTRUCT", lambda ds: _set(_contour(ds).ContourImageSequence[0], "ReferencedSOPInstanceUID", "1.2"), "not list"),
    ("RTSTRUCT", lambda ds: _set(_contour(ds), "ContourData", [1.0, 2.0]), "its multiplicity is 3-3n"),
    ("SR", lambda ds: _set(_child(ds, "TEXT"), "TextValue", ""), "TextValue (0040,A160) in ContentSequence"),
    ("SR", lambda ds: _child(ds, "CODE").pop("ConceptCodeSequence"), "is missing or empty in a CODE"),
    ("SR", lambda ds: _child(ds, "NUM").pop("MeasuredValueSequence"), "is missing in a NUM"),
    ("SR", lambda ds: _child(ds, "NUM").MeasuredValueSequence[0].pop("MeasurementUnitsCodeSequence"), "empty in a NUM"),
    ("SR", lambda ds: _child(ds, "NUM").MeasuredValueSequence.clear(), "is empty, and nothing says why"),
    ("SR", lambda ds: _child(ds, "NUM").pop("ConceptNameCodeSequence"), "and a NUM has a name"),
    ("SR", lambda ds: _set(_child(ds, "TEXT"), "RelationshipType", "HAS"), "is no relationship of content items"),
    ("SR", lambda ds: _set(_child(ds, "TEXT"), "ValueType", "PROSE"), "is none that this SOP Class allows"),
    ("SR", lambda ds: _set(_child(ds, "UIDREF"), "UID", ""), "is missing or empty in a UIDREF"),
    ("SR", lambda ds: ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence.pop(0), "not among"),
    ("SR", lambda ds: ds.pop("CompletionFlag"), "CompletionFlag (0040,A491) is missing"),
    ("SR", lambda ds: ds.pop("ContinuityOfContent"), "is missing or empty in a CONTAINER"),
    ("MG_CADSR", lambda ds: _set(_child(ds, "SCOORD"), "GraphicData", [1.0, 2.0, 3.0]), "which are no"),
    ("MG_CADSR", lambda ds: _set(_child(ds, "SCOORD"), "GraphicData", [-1.0, 2.0]), "negative coordinate"),
    ("MG_CADSR", lambda ds: _set(_child(ds, "SCOORD"), "GraphicType", "BOX"), "GraphicType (0070,0023) in Content"),
    ("MG_GSPS_1", lambda ds: ds.pop("PresentationCreationDate"), "PresentationCreationDate (0070,0082) is missing"),
    ("MG_GSPS_1", lambda ds: ds.pop("DisplayedAreaSelectionSequence"), "DisplayedAreaSelectionSequence (0070,005A) is"),
    ("SC_1", lambda ds: ds.pop("ConversionType"), "ConversionType (0008,0064) is missing"),
    ("SC_1", lambda ds: _set(ds, "Rows", 7), "PixelData (7FE0,0010) has"),
    ("KO", lambda ds: ds.pop("CurrentRequestedProcedureEvidenceSequence"), "EvidenceSequence (0040,A375) is missing"),
    ("KO", lambda ds: ds.pop("ReferencedPerformedProcedureStepSequence"), "(0008,1111) is missing"),
]  # fmt: skip


def _contour(ds: Dataset) -> Dataset:
    return ds.ROIContourSequence[0].ContourSequence[0]


@pytest.mark.parametrize(("name", "plant", "words"), PLANTED, ids=[f"{n}: {w}" for n, _, w in PLANTED])
def test_each_rule_sees_its_breach(
    objects: dict[str, bytes], name: str, plant: Callable[[Dataset], object], words: str
) -> None:
    ds = dcmread(BytesIO(objects[name]))
    plant(ds)
    found = check(to_bytes(ds))
    assert [b for b in found if words in b.words and not b.copied], found


def test_what_is_copied_covers_all_that_encode_copies() -> None:
    assert copied_keywords() >= PATIENT_AND_STUDY


def test_text_that_the_character_set_cannot_hold_is_seen_before_it_is_lost(objects: dict[str, bytes]) -> None:
    ds = dcmread(BytesIO(objects["RTSTRUCT"]))
    assert list(lost_text(ds)) == []
    ds.StructureSetROISequence[1].ROIName = "Läsion"  # Latin-1, as the images
    assert list(lost_text(ds)) == []
    ds.StructureSetROISequence[1].ROIName = "病変"
    ((_, breach),) = lost_text(ds)
    assert breach.where == "ROIName (3006,0026) in StructureSetROISequence[2]"
    ds.SpecificCharacterSet = "ISO_IR 192"
    assert list(lost_text(ds)) == []
    assert check(to_bytes(ds)) != ()  # the patient's name is still in Latin-1 there, and no UTF-8


def test_references_are_found_wherever_they_stand(objects: dict[str, bytes]) -> None:
    uid = {name: str(dcmread(BytesIO(data)).SOPInstanceUID) for name, data in objects.items()}
    assert {uid["SEG"], uid["RTSTRUCT"], uid["PM_1"], uid["RTDOSE_2"]} <= references(objects["SR"])
    assert uid["RTSTRUCT"] in references(objects["RTDOSE_1"])
    assert uid["SR"] not in references(objects["SEG"])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.integers(1, 12))
def test_no_mangled_file_makes_it_raise(objects: dict[str, bytes], seed: int, cuts: int) -> None:
    chance = random.Random(seed)
    data = bytearray(objects[chance.choice(["SEG", "SR", "RTSTRUCT", "MG_CADSR", "PM_1", "MG_GSPS_1"])])
    for _ in range(cuts):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(40)]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(12))
            case 3:
                data = data[: max(at, 200)]
    found = check(bytes(data))
    assert all(b.words.endswith(".") for b in found)
    references(bytes(data))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([b"", b"\0" * 128 + b"DICM"]))
def test_no_bytes_at_all_make_it_raise(data: bytes, before: bytes) -> None:
    check(before + data)
    check_set([before + data, data])


def test_malformed_files_of_other_makers_do_not_make_it_raise(shared_data: Path) -> None:
    files = [p for p in sorted((shared_data / "malformed").rglob("*")) if p.is_file() and p.stat().st_size < 1 << 17]
    assert files
    for path in files:
        check(path.read_bytes())


def test_a_report_of_a_hundred_lesions_is_checked_in_no_time(objects: dict[str, bytes]) -> None:
    ds = dcmread(BytesIO(objects["SR"]))
    groups = next(i for i in ds.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "126010")
    groups.ContentSequence = list(groups.ContentSequence) * 50
    data = to_bytes(ds)
    assert len(data) > 700_000
    check(data)  # reads the tables, once
    taken_s = []
    for _ in range(3):
        begun = time.process_time()
        assert check(data) == ()
        taken_s.append(time.process_time() - begun)
    assert min(taken_s) < 1.0, taken_s  # 0.25 s on a machine of our own
