"""Whose an object is and what it refers to: by name, class, series and study, as the images have them."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from pipeline.encode import encode, to_bytes
from pipeline.findings import Findings
from pipeline.imaging.read import FrameRef
from pipeline.proof import prove
from tests.support import planted as p
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic

GRID = Grid((10, 30, 28), (2.0, 0.9, 0.7), "oblique")


def seen_on(refs: tuple[FrameRef, ...]) -> Findings:
    return findings_on(refs, GRID, spheres(GRID, ((4, 12, 10), 8.0), ((7, 22, 20), 6.0)))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return seen_on(write_classic(tmp_path_factory.mktemp("images"), GRID))


@pytest.fixture(scope="module")
def files(found: Findings) -> dict[str, bytes]:
    return {e.name: to_bytes(e.dataset) for e in encode(found, STAMP)}


def _source_series(ds: Dataset) -> Iterable[Dataset]:
    study = ds.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0]
    return study.RTReferencedSeriesSequence


def _evidence(ds: Dataset) -> list[Dataset]:
    return list(ds.CurrentRequestedProcedureEvidenceSequence)


def _series_of_evidence(ds: Dataset) -> list[Dataset]:
    return [series for study in _evidence(ds) for series in study.ReferencedSeriesSequence]


def _empty_other_series(ds: Dataset) -> None:
    item = Dataset()
    item.SeriesInstanceUID, item.ReferencedInstanceSequence = "1.2.3", []
    ds.ReferencedSeriesSequence.append(item)


def _source_images(ds: Dataset) -> list[Dataset]:
    return [frame.DerivationImageSequence[0].SourceImageSequence[0] for frame in p.frames(ds)]


def _contour_images(ds: Dataset) -> list[Dataset]:
    return [contour.ContourImageSequence[0] for contour in p.contours(ds)]


CT = "1.2.840.10008.5.1.4.1.1.2"
PLANTED = [
    ("SEG", "series", p.each(lambda ds: ds.ReferencedSeriesSequence, SeriesInstanceUID="1.2.3"), "in another series"),
    ("SEG", "a series more", _empty_other_series, "refers to a series that no image"),
    ("SEG", "class", p.each(_source_images, ReferencedSOPClassUID=CT), "another SOP class"),
    ("RTSTRUCT", "series", p.each(_source_series, SeriesInstanceUID="1.2.3"), "in another series"),
    ("RTSTRUCT", "class", p.each(_contour_images, ReferencedSOPClassUID=CT), "another SOP class"),
    ("SR", "series", p.each(_series_of_evidence, SeriesInstanceUID="1.2.3"), "in another series"),
    ("SR", "study", p.each(_evidence, StudyInstanceUID="1.2.3"), "in another study"),
    ("KO", "series", p.each(_series_of_evidence, SeriesInstanceUID="1.2.3"), "in another series"),
    ("SEG", "name", p.each(lambda ds: [ds], PatientName="Other^Person"), "another Patient's Name"),
    ("SR", "no name", p.each(lambda ds: [ds], PatientName=""), "another Patient's Name"),
    ("RTSTRUCT", "birth date", p.each(lambda ds: [ds], PatientBirthDate="19000101"), "another Patient's Birth Date"),
    ("SEG", "sex", p.each(lambda ds: [ds], PatientSex="F"), "another Patient's Sex"),
    ("SEG", "issuer", p.each(lambda ds: [ds], IssuerOfPatientID="ELSEWHERE"), "another Issuer of Patient ID"),
    ("KO", "accession", p.each(lambda ds: [ds], AccessionNumber="X1"), "another Accession Number"),
]


@pytest.mark.parametrize(
    ("name", "spoil", "words"), [(n, s, w) for n, _, s, w in PLANTED], ids=[f"{n} {what}" for n, what, _, _ in PLANTED]
)
def test_another_series_class_or_person_is_told(
    files: dict[str, bytes], found: Findings, name: str, spoil: p.Spoil, words: str
) -> None:
    said = prove([*(data for n, data in files.items() if n != name), p.spoiled(files[name], spoil)], found)
    assert any(re.search(words, fault.words) for fault in said), said
    assert len({fault.sop_instance_uid for fault in said}) == 1


RAW = {
    "a name in no character set": {"PatientName": b"M\xfcller^J\xf6rg ", "PatientID": b"M\xfc-1"},
    "no date": {"PatientBirthDate": b"unknown ", "StudyDate": b"19.1.2024 "},
    "a sex in small letters": {"PatientSex": b"m "},
    "too long": {"StudyID": b"12345678901234567890", "PatientID": b"1" * 80},
    "several values": {"PatientID": b"12\\34 "},
    "spaces": {"PatientID": b"  12 34  ", "IssuerOfPatientID": b" HERE "},
    "nothing": {"PatientID": b"", "PatientName": b"", "PatientBirthDate": b"", "PatientSex": b""},
}


def _with(values: dict[str, bytes], path: Path) -> None:
    ds = dcmread(path)
    del ds.SpecificCharacterSet
    for keyword, value in values.items():
        tag = Tag(keyword)
        vr = {"PatientName": "PN", "PatientBirthDate": "DA", "StudyDate": "DA", "PatientSex": "CS", "StudyID": "SH"}
        ds[tag] = RawDataElement(tag, vr.get(keyword, "LO"), len(value), value, 0, False, True)
    ds.save_as(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("values", RAW.values(), ids=RAW)
def test_malformed_values_that_the_images_have_too_are_no_fault(tmp_path: Path, values: dict[str, bytes]) -> None:
    plain = dict.fromkeys(("StudyDescription", "InstitutionName", "ReferringPhysicianName"), b"ascii ")
    refs = write_classic(tmp_path, GRID)
    for ref in refs:
        _with(plain | {"PatientName": b"A^B "} | values, ref.path)
    found = seen_on(refs)
    assert prove([to_bytes(e.dataset) for e in encode(found, STAMP)], found) == ()
