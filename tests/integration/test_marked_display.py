"""Presentation states of marks show an image as it was looked at, whatever its maker wrote: DCMTK opens them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset, dcmread

from pipeline.datasets.mg_writer import Display, MgHabit
from pipeline.encode import encode, to_bytes
from pipeline.encode.mammo.voi import displayed
from pipeline.imaging.header import read_header
from pipeline.imaging.mammogram.image import MgImage, describe
from pipeline.imaging.mammogram.values import open_image
from pipeline.marks import Attempt, Kind, Laterality, Outcome, View
from tests.support.findings import STAMP
from tests.support.mammograms import mark, unmarked
from tests.support.peers import run_tool
from tests.support.screening import SIZE, write_view

STEP = 2.5 / 255
"""DCMTK writes 8 bits, and rounds twice."""

THREE_WINDOWS = {"WindowCenter": [1500, 2047, 2600], "WindowWidth": [1400, 2047, 900]}
HABITS = [(habit, None, {}) for habit in MgHabit]
DISPLAYS = [(MgHabit.HOLOGIC, display, {}) for display in Display]
ODD: list[tuple[MgHabit, Display, dict[str, Any]]] = [
    (MgHabit.SIEMENS, Display.WINDOW, THREE_WINDOWS),
    (MgHabit.SIEMENS, Display.WINDOW, THREE_WINDOWS | {"WindowCenterWidthExplanation": ["A", "B", "C"]}),
    (MgHabit.GE, Display.TABLE, THREE_WINDOWS),
    (MgHabit.SIEMENS, Display.WINDOW, THREE_WINDOWS | {"VOILUTFunction": "NONSENSE"}),
    (MgHabit.SIEMENS, Display.WINDOW, {"WindowWidth": None}),
]


def _view(path: Path) -> View:
    ds = dcmread(path, stop_before_pixels=True)
    return View("L-CC", Laterality.LEFT, "CC", ds.SOPInstanceUID, ds.SOPClassUID, path, *SIZE, (0.25, 0.25), 0.5)


def _state(view: View, path: Path) -> Dataset:
    tried = (Attempt(Kind.MASS, Outcome.SUCCEEDED, (view.role,)),)
    made = encode(unmarked((view,), marks=(mark(1, view.role),), attempts=tried, heat={}), STAMP)
    (state,) = (e for e in made if e.name == "GSPS_1")
    path.write_bytes(to_bytes(state.dataset))
    return dcmread(path)


def _written(folder: Path, habit: MgHabit, display: Display | None, more: dict[str, Any]) -> Path:
    path = write_view(folder / "L-CC.dcm", "L-CC", habit=habit, display=display)
    ds = dcmread(path)
    for keyword, value in more.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    ds.save_as(path)
    return path


def _described(path: Path) -> MgImage:
    image = describe(read_header(path))
    assert isinstance(image, MgImage), image
    return image


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize(("habit", "display", "more"), [*HABITS, *DISPLAYS, *ODD])
def test_dcmtk_opens_a_presentation_state_of_every_maker_and_shows_what_was_looked_at(
    tmp_path: Path, habit: MgHabit, display: Display | None, more: dict[str, Any]
) -> None:
    path = _written(tmp_path, habit, display, more)
    state = _state(_view(path), tmp_path / "state.dcm")
    done = run_tool("/usr/bin/dcmp2pgm", "--pstate", tmp_path / "state.dcm", path, tmp_path / "shown.pgm")
    assert (tmp_path / "shown.pgm").exists(), done.stdout + done.stderr
    _holds_one_transformation(state)
    with Image.open(tmp_path / "shown.pgm") as picture:
        drawn = np.asarray(picture) / 255
    looked_at = open_image(_described(path)).shown
    if looked_at is not None and _function(state) == "LINEAR":  # DCMTK draws every window as LINEAR
        assert np.abs(drawn - looked_at).max() < STEP


def _function(state: Dataset) -> str:
    return str(state.SoftcopyVOILUTSequence[0].get("VOILUTFunction") or "LINEAR")


def _holds_one_transformation(state: Dataset) -> None:
    """PS3.3 C.11.8: a table or a pair of numbers."""
    for item in state.get("SoftcopyVOILUTSequence", []):
        windows = [] if "WindowCenter" not in item else [(item["WindowCenter"].VM, item["WindowWidth"].VM)]
        assert windows + [(1, 1)] * len(item.get("VOILUTSequence", [])) == [(1, 1)]


def _table(first: int, claimed: int, values: np.ndarray, explanation: str = "") -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(values), first, claimed]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTExplanation = explanation
    item.add_new("LUTData", "OW", values.astype("<u2").tobytes())
    return item


def _shown_by(*tables: Dataset, **more: Any) -> Dataset:
    header = Dataset()
    header.VOILUTSequence = list(tables)
    for keyword, value in more.items():
        setattr(header, keyword, value)
    made = displayed(header)
    assert made is not None
    return made[0]


RAMP = np.arange(4096)


def test_the_table_called_normal_is_kept_and_others_are_not() -> None:
    (kept,) = _shown_by(_table(0, 12, RAMP[::-1], "HARDER"), _table(0, 12, RAMP, "normal")).VOILUTSequence
    assert kept.LUTExplanation == "normal"
    assert np.frombuffer(kept.LUTData, "<u2")[[0, -1]].tolist() == [0, 65535]


@pytest.mark.parametrize("first", [0, 100, -1024])
def test_a_table_that_claims_more_bits_than_it_uses_still_ends_in_white(first: int) -> None:
    (kept,) = _shown_by(_table(first, 16, RAMP)).VOILUTSequence
    assert list(kept.LUTDescriptor) == [4096, first, 16]
    assert int(np.frombuffer(kept.LUTData, "<u2").max()) == 65535


def test_a_table_that_cannot_be_used_leaves_the_first_window() -> None:
    broken = _table(0, 12, RAMP)
    broken.LUTData = b"\0" * 7
    kept = _shown_by(broken, WindowCenter=[500, 900], WindowWidth=[300, 100])
    assert "VOILUTSequence" not in kept
    assert (float(kept.WindowCenter), float(kept.WindowWidth)) == (500, 300)


def test_of_functional_groups_with_several_windows_one_is_kept() -> None:
    """A synthetic view of a tomosynthesis says it there (PS3.3 C.7.6.16.2.10)."""
    voi, groups, header = Dataset(), Dataset(), Dataset()
    voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction = [500, 900], [300, 100], "SIGMOID"
    groups.FrameVOILUTSequence = [voi]
    header.SharedFunctionalGroupsSequence = [groups]
    made = displayed(header)
    assert made is not None
    assert (float(made[0].WindowCenter), float(made[0].WindowWidth), made[0].VOILUTFunction) == (500, 300, "SIGMOID")
    assert "WindowCenter" not in header
