"""Data set -> Instance: plain values, small memory, and a name for what is wrong."""

from __future__ import annotations

import tracemalloc
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ImplicitVRLittleEndian

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mr_writer import Habit
from pipeline.imaging.header import header_of, read_header, scan
from tests.support.mr import edit, make_volume, rewrite, write


def test_values_are_plain_and_several_are_a_tuple(tmp_path: Path) -> None:
    instance = read_header(write(tmp_path)[0], sha256="ab")
    assert instance.modality == "MR"
    assert instance.sha256 == "ab"
    assert instance.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert instance.get("Rows") == 9
    assert instance.get("ImageType") == ("ORIGINAL", "PRIMARY", "M", "ND", "NORM")
    assert instance.get("PixelSpacing") == (1.0, 1.0)
    assert instance.get("EchoTime") == 2.32
    assert instance.get("ContrastBolusAgent") == "Gadobutrol"
    assert {type(v) for v in instance.header.values()} <= {str, int, float, tuple}
    assert "PixelData" not in instance.header


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_give_the_same_values(tmp_path: Path, syntax: str) -> None:
    (path, *_) = write(tmp_path)
    before = read_header(path)
    ds = dcmread(path)
    for _ in ds.iterall():  # converts every raw element, so that none is written as it was
        pass
    ds.file_meta.TransferSyntaxUID = syntax
    dcmwrite(path, ds, implicit_vr=syntax == ImplicitVRLittleEndian, little_endian=syntax != ExplicitVRBigEndian)
    after = read_header(path)
    assert after.header == before.header
    assert after.transfer_syntax_uid == syntax


def test_functional_groups_lie_flat_beside_the_rest(tmp_path: Path) -> None:
    volume = make_volume(spacing_mm=(2.0, 0.5, 0.5))
    header = read_header(write(tmp_path, volume, Habit.ENHANCED)[0])
    assert header.get("PixelSpacing") == (0.5, 0.5)
    assert header.get("ImagePositionPatient") == (-90.0, -120.5, -60.25)
    assert header.get("ImageOrientationPatient") == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert header.get("RepetitionTime") == 8.1
    assert header.get("EffectiveEchoTime") == 3.7
    assert header.get("ContrastBolusAgentAdministered") == "YES"
    assert header.get("ContrastBolusAgentSequence") == ("Gadobutrol",)
    assert header.get("AnatomicRegionSequence") == ("Brain",)
    assert header.get("NumberOfFrames") == 6


def test_a_data_set_at_hand_gives_what_its_file_gives(tmp_path: Path) -> None:
    (path, *_) = write(tmp_path)
    assert header_of(dcmread(path), path).header == read_header(path).header
    ds = dcmread(path)
    for _ in ds:  # converts every raw element
        pass
    assert header_of(ds, path).header == read_header(path).header


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize(("value", "said"), [(None, "is missing"), ("", "is missing"), ("1.02.3", "is not a UID")])
def test_an_unusable_uid_is_named(tmp_path: Path, keyword: str, value: str | None, said: str) -> None:
    (path, *_) = write(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        edit(path, **{keyword: value})
    with pytest.raises(HeaderUnusable, match=f"{keyword} {said}") as caught:
        read_header(path)
    assert caught.value.hint


def test_a_uid_cannot_name_a_path(tmp_path: Path) -> None:
    ds = dcmread(write(tmp_path)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds.SOPInstanceUID = "../../etc/passwd"
    with pytest.raises(HeaderUnusable, match="SOPInstanceUID is not a UID"):
        header_of(ds, tmp_path)


def test_odd_values_are_left_out_and_warn_nobody(tmp_path: Path) -> None:
    (path, *_) = write(tmp_path)
    content = path.read_bytes()
    assert content.count(b"2300") == 1
    path.write_bytes(content.replace(b"2300", b"23x0"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = read_header(path)
    assert header.get("RepetitionTime") is None
    assert header.get("EchoTime") == 2.32


def test_names_in_other_scripts_are_decoded(tmp_path: Path) -> None:
    (path, *_) = write(tmp_path)
    edit(path, SpecificCharacterSet="ISO_IR 192", SeriesDescription="T1 nach KM, Schädel")
    assert read_header(path).get("SeriesDescription") == "T1 nach KM, Schädel"
    edit(path, SpecificCharacterSet="ISO_IR 100", SeriesDescription="tête")
    assert read_header(path).get("SeriesDescription") == "tête"


def test_long_and_private_values_are_left_out(tmp_path: Path) -> None:
    def add(ds: Dataset) -> None:
        ds.ImageComments = "x" * 5000
        ds.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
        ds.add_new(0x00291010, "OB", bytes(5000))

    (path, *_) = write(tmp_path)
    rewrite(path, add)
    header = read_header(path).header
    assert "ImageComments" not in header
    assert all(isinstance(k, str) and k for k in header)


def test_a_big_object_costs_little_memory(tmp_path: Path) -> None:
    (path, *_) = write(tmp_path, make_volume(), Habit.ENHANCED)

    def grow(ds: Dataset) -> None:
        ds.PixelData = bytes(200 << 20)
        ds.add_new(0x00290010, "LO", "A VENDOR")
        ds.add_new(0x00291010, "OB", bytes(50 << 20))

    rewrite(path, grow)
    tracemalloc.start()
    read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 << 20


def test_scan_finds_series_and_passes_over_everything_else(tmp_path: Path) -> None:
    write(tmp_path / "a", make_volume(), study="one")
    write(tmp_path / "b" / "deep", make_volume(plane="coronal"), study="one", series_number=6)
    (tmp_path / "readme.txt").write_text("no image")
    (tmp_path / "empty").touch()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    directory = Dataset()
    directory.FileSetID = "CD"
    directory.file_meta = meta
    directory.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    (study,) = scan(tmp_path)
    assert [len(s.instances) for s in study.series] == [6, 6]


def test_scan_reads_files_without_a_preamble_and_counts_one_image_once(tmp_path: Path) -> None:
    paths = write(tmp_path)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[132:])
    (tmp_path / "twice.dcm").write_bytes(content)
    (study,) = scan(tmp_path)
    assert len(study.instances) == 6


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_an_instance_or_headerunusable(tmp_path: Path, data: st.DataObject) -> None:
    original = tmp_path / "whole.dcm"
    if not original.exists():
        original.write_bytes(write(tmp_path / "s", habit=Habit.ENHANCED)[0].read_bytes())
    content = bytearray(original.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = tmp_path / "damaged.dcm"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert read_header(damaged).sop_instance_uid
        except HeaderUnusable as error:
            assert error.message


def test_every_malformed_file_gives_an_instance_or_headerunusable(shared_data: Path) -> None:
    files = [p for p in (shared_data / "malformed").rglob("*") if p.is_file()]
    good = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            try:
                good += bool(read_header(path).sop_instance_uid)
            except HeaderUnusable as error:
                assert error.message
    assert len(files) > 400
    assert good > 200


def test_a_file_that_the_disk_does_not_give_is_no_fault_of_its_header(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_header(tmp_path / "gone.dcm")


def test_a_ct_is_filed_as_one(tmp_path: Path) -> None:
    (path, *_) = write(tmp_path)
    edit(path, Modality="CT", SOPClassUID=CTImageStorage)
    assert read_header(path).sop_class_uid == CTImageStorage
    assert read_header(path).modality == "CT"


def test_the_same_images_have_the_same_digest_whoever_wrote_the_file(tmp_path: Path) -> None:
    from pydicom import dcmread

    from pipeline.imaging.header import content_digest
    from tests.support.blobs import write_blobs

    first, other = write_blobs(tmp_path / "a")[:2]
    ds = dcmread(first)
    ds.file_meta.SourceApplicationEntityTitle = "ANOTHER"
    ds.save_as(tmp_path / "b.dcm")
    assert (tmp_path / "b.dcm").read_bytes() != first.read_bytes()
    assert content_digest(tmp_path / "b.dcm") == content_digest(first) != content_digest(other)
