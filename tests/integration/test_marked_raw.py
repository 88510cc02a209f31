"""Raw images, and images that are inverted without a word, are drawn as they were looked at: the breast on black."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from pipeline.datasets.mg_writer import MgHabit
from pipeline.encode import encode, to_bytes
from pipeline.encode.mammo.page import marked_pages
from pipeline.encode.mammo.source import read_marked_source
from pipeline.marks import Attempt, Kind, Laterality, MarkedStudy, Outcome, View
from tests.support.findings import STAMP
from tests.support.mammograms import mark, unmarked
from tests.support.peers import run_tool
from tests.support.screening import CENTERS, RADIUS, SIZE, picture, write_view

UNSIGNED = {"PixelIntensityRelationshipSign": None, "PhotometricInterpretation": "MONOCHROME1"}
WAYS: list[dict[str, Any]] = [
    {"for_processing": True},
    {"for_processing": True, "habit": MgHabit.GE, "inverted": True},
    {
        "for_processing": True,
        "more": {"PixelIntensityRelationshipSign": None, "PhotometricInterpretation": "MONOCHROME1"},
    },
    {"habit": MgHabit.FUJI},
    {"habit": MgHabit.GE},
    {"picture": 4095 - picture("L-CC")},
]


def _study(folder: Path, said: dict[str, Any]) -> MarkedStudy:
    path = write_view(folder / "L-CC.dcm", "L-CC", **said)
    ds = dcmread(path, stop_before_pixels=True)
    view = View("L-CC", Laterality.LEFT, "CC", ds.SOPInstanceUID, ds.SOPClassUID, path, *SIZE, (0.25, 0.25), 0.5)
    tried = (Attempt(Kind.MASS, Outcome.SUCCEEDED, ("L-CC",)),)
    return unmarked((view,), marks=(mark(1, "L-CC"),), attempts=tried, heat={})


def _levels(drawn: np.ndarray) -> tuple[float, float, float]:
    """Of air, of the breast, and of the lesion, which is as bright as can be."""
    column, row = (int(v) for v in CENTERS["L-CC"])
    beside = column - int(3 * RADIUS)
    return float(drawn[20, -20]), float(drawn[row, beside]), float(drawn[row, column])


@pytest.mark.parametrize("said", WAYS, ids="-".join)
def test_on_the_page_air_is_black_and_the_lesion_white(tmp_path: Path, said: dict[str, Any]) -> None:
    study = _study(tmp_path, dict(said))
    (page, *_) = marked_pages(study, read_marked_source(study), STAMP)
    (drawn,) = page.pictures
    air, breast, lesion = _levels(drawn.image)
    assert air < breast < lesion
    assert lesion >= np.percentile(drawn.image, 99)


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("said", WAYS[:5], ids="-".join)
def test_dcmtk_shows_the_same_through_the_presentation_state(tmp_path: Path, said: dict[str, Any]) -> None:
    study = _study(tmp_path, dict(said))
    (state,) = (e for e in encode(study, STAMP) if e.name == "GSPS_1")
    (tmp_path / "state.dcm").write_bytes(to_bytes(state.dataset))
    done = run_tool(
        "/usr/bin/dcmp2pgm", "--pstate", tmp_path / "state.dcm", study.views[0].path, tmp_path / "shown.pgm"
    )
    assert (tmp_path / "shown.pgm").exists(), done.stdout + done.stderr
    with Image.open(tmp_path / "shown.pgm") as shown:
        air, breast, lesion = _levels(np.asarray(shown).astype(int))
    assert air < breast < lesion
