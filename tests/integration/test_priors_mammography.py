"""Earlier mammograms in a real PACS: their views come by C-GET, and what lies beside them neither comes nor hinders."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.uid import MammographyCADSRStorage, generate_uid

from node.priors import WANTED
from node.retrieve import Fetched, Library
from node.retrieve_get import CGet, contexts
from pipeline.core.route import Peer
from pipeline.imaging.header import scan
from tests.support.mr import edit
from tests.support.peers import OrthancPeer
from tests.support.screening import write_study, write_view

TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
PROJECTIONS = "1.2.840.10008.5.1.4.1.1.13.1.4"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def before(folder: Path) -> Path:
    return write_study(folder / "before", ("L-CC", "R-CC"), date="20240302", study="before")


def beside(folder: Path, sop_class: str, series: int | None = None, frames: int | None = None) -> Path:
    """Another image of that study, in the views' series or in one of its own."""
    more = {"SOPClassUID": sop_class, **({} if frames is None else {"NumberOfFrames": frames})}
    said = {} if series is None else {"series_number": series}
    name = f"{sop_class.rpartition('.')[2]}-{series}-{frames}.dcm"
    path = write_view(folder / name, "L-MLO", date="20240302", study="before", instance_number=9, more=more, **said)
    edit(path, SOPInstanceUID=generate_uid())
    return path


def fetched(pacs: OrthancPeer, folder: Path) -> Fetched:
    (now,) = scan(write_study(folder / "now", ("L-CC",), date="20260501", study="now"))
    (folder / "fetched").mkdir()
    get = CGet("LANTERN", None, lambda: None, silence_s=30.0)
    library = Library(Peer("pacs", "ANY", "127.0.0.1", pacs.dicom_port, retrieve="get"), get, "LANTERN")
    return library.priors(now, 1, folder / "fetched", lambda: None, WANTED["MG"])


def came(got: Fetched) -> list[tuple[str, str]]:
    """Class and role of what came."""
    instances = [i for s in got.studies for i in s.instances]
    return sorted((i.sop_class_uid, f"{i.get('ImageLaterality')}-{i.get('ViewPosition')}") for i in instances)


MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
VIEWS = [(MAMMOGRAM, "L-CC"), (MAMMOGRAM, "R-CC")]


@pytest.mark.real("orthanc")
@pytest.mark.parametrize("series", [None, 7], ids=["in the views' series", "in a series of its own"])
@pytest.mark.parametrize("sop_class", [TOMOSYNTHESIS, PROJECTIONS])
def test_a_tomosynthesis_stays_in_the_pacs(
    orthanc: OrthancPeer, tmp_path: Path, sop_class: str, series: int | None
) -> None:
    folder = before(tmp_path)
    orthanc.upload(*sorted(folder.iterdir()), beside(folder, sop_class, series, frames=3))
    got = fetched(orthanc, tmp_path)
    assert (came(got), got.remarks) == (VIEWS, ())


@pytest.mark.real("orthanc")
def test_a_synthetic_view_of_the_class_of_tomosynthesis_comes(orthanc: OrthancPeer, tmp_path: Path) -> None:
    folder = before(tmp_path)
    files = sorted(folder.iterdir())
    orthanc.upload(*files, beside(folder, TOMOSYNTHESIS, 7, frames=1), beside(folder, TOMOSYNTHESIS, 7, frames=40))
    got = fetched(orthanc, tmp_path)
    assert (came(got), got.remarks) == ([*VIEWS, (TOMOSYNTHESIS, "L-MLO")], ())


@pytest.mark.real("orthanc")
@pytest.mark.parametrize("series", [1, 8], ids=["in the views' series", "in a series of its own"])
def test_a_class_that_is_not_proposed_stays_and_hinders_nothing(
    orthanc: OrthancPeer, tmp_path: Path, series: int
) -> None:
    """Orthanc ends a C-GET with a failure where one of its objects has no presentation context."""
    folder = before(tmp_path)
    orthanc.upload(*sorted(folder.iterdir()), beside(folder, ULTRASOUND, series))
    got = fetched(orthanc, tmp_path)
    assert (came(got), got.remarks) == (VIEWS, ())


@pytest.mark.real("orthanc")
def test_a_film_scan_in_an_object_of_secondary_capture_comes(orthanc: OrthancPeer, tmp_path: Path) -> None:
    folder = before(tmp_path)
    orthanc.upload(*sorted(folder.iterdir()), beside(folder, SECONDARY_CAPTURE, 8))
    got = fetched(orthanc, tmp_path)
    assert (came(got), got.remarks) == ([*VIEWS, (SECONDARY_CAPTURE, "L-MLO")], ())


def test_all_that_is_proposed_fits_into_one_association() -> None:
    """PS3.8 9.3.2.2: Presentation Context IDs are odd numbers of one byte."""
    proposed = {c.abstract_syntax for c in contexts()}
    assert len(contexts()) <= 128
    assert {MAMMOGRAM, TOMOSYNTHESIS, SECONDARY_CAPTURE, MammographyCADSRStorage} <= proposed
