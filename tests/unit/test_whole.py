"""Files that were cut off are not taken for files that end there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import ImplicitVRLittleEndian

from pipeline.core.errors import HeaderUnusable
from pipeline.imaging.whole import read_whole
from tests.support.drawn import ball, structure, structure_set
from tests.support.rtdose import Lattice, blob, rt_dose, saved


@pytest.fixture(params=["RTSTRUCT", "RTDOSE", "implicit", "undefined lengths"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "RTDOSE":
        return saved(rt_dose(Lattice(shape=(8, 9, 10)), blob((0, 0, 0))), tmp_path / "a.dcm")
    ds = structure_set([structure("GTV", ball((0, 0, 0), 10.0), "GTV")], "2.25.7")
    if request.param == "implicit":
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    if request.param == "undefined lengths":
        for element in ds.iterall():
            element.is_undefined_length = element.VR == "SQ"
        for item in (*ds.ROIContourSequence, *ds.StructureSetROISequence):
            item.is_undefined_length_sequence_item = True
    return saved(ds, tmp_path / "a.dcm")


def test_a_whole_file_is_read(file: Path) -> None:
    assert read_whole(file) == dcmread(file)


def test_wherever_a_file_is_cut_off_it_is_refused_by_name(file: Path) -> None:
    data = file.read_bytes()
    # Between two elements nobody can know that more should come: what is missing then is missed by whoever reads it.
    between = {e.file_tell - header for e in dcmread(file) if e.file_tell for header in (8, 12)}  # type: ignore[operator]
    cuts = [*range(200, len(data), max(1, len(data) // 60)), len(data) - 1]
    for cut in (c for c in cuts if c not in between):
        file.write_bytes(data[:cut])
        with pytest.raises(HeaderUnusable, match="damaged") as raised:
            read_whole(file)
        assert str(file) in raised.value.message


def test_zeros_behind_the_end_do_no_harm(file: Path) -> None:
    file.write_bytes(file.read_bytes() + bytes(300))
    assert "SOPClassUID" in read_whole(file)


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "image_dfl.dcm", "ExplVR_BigEnd.dcm", "rtplan.dcm", "CT_small.dcm"])
def test_files_of_other_systems_are_whole(name: str) -> None:
    file = Path(str(get_testdata_file(name, download=False)))
    assert read_whole(file).SOPClassUID


def test_what_is_no_dicom_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no DICOM at all, and long enough to look at " * 10)
    with pytest.raises(HeaderUnusable, match=r"a\.txt"):
        read_whole(tmp_path / "a.txt")
