"""Outlines without a type in sets of ours, and what is kept of those that nobody changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from pipeline.encode import Part, encode, to_bytes
from pipeline.encode.corrections import corrected as told_in
from pipeline.encode.corrections import said_of_corrections
from pipeline.findings import NOT_PLANNED, Edit, Origin
from pipeline.recipes.srs.lesions import _nothing_changed
from pipeline.recipes.srs.organs import is_something_else
from tests.support.edited import add_square, edited
from tests.support.edited_room import Room, edits, made
from tests.support.findings import STAMP, sited


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("room"))


def with_untyped(ds: Dataset, name: str, at: list[float], half_mm: float = 4.0) -> Dataset:
    add_square(ds, name, at, half_mm)
    ds.RTROIObservationsSequence[-1].RTROIInterpretedType = ""
    return ds


def test_an_untyped_outline_added_to_our_own_set_inside_the_brain_is_a_lesion(room: Room) -> None:
    ds = with_untyped(edited(room.ours()), "neu links", room.point(12, 45, 40))
    answer = made(room.corrected(ds, brain=room.head))
    assert edits(answer)["neu links"] is Edit.ADDED
    assert len(answer.lesions) == 4
    assert not answer.changes_nothing
    assert answer.lesions[3].origin is Origin.MANUAL
    words = next(c.words for c in answer.corrections.changes if c.label == "neu links")
    assert "without a type, taken as a lesion for it lies in the brain" in words
    assert any("Taken as tumours" in r and "neu links" in r for r in answer.remarks)
    assert not any(r.startswith(NOT_PLANNED) for r in answer.remarks)


@pytest.mark.parametrize(
    ("name", "index", "half_mm"),
    [("neu links", (12, 45, 56), 3.0), ("grob", (12, 30, 25), 24.0), ("rund um", (6, 15, 15), 6.0)],
    ids=["outside the brain", "all of the rest in it", "around a lesion"],
)
def test_an_untyped_outline_elsewhere_is_left_out_and_said_loudly(
    room: Room, name: str, index: tuple[float, float, float], half_mm: float
) -> None:
    ds = with_untyped(edited(room.ours(), move=("BM02", (2.0, 0, 0))), name, room.point(*index), half_mm)
    answer = made(room.corrected(ds, brain=room.head))
    assert len(answer.lesions) == 3
    (left,) = (c for c in answer.corrections.changes if c.edit is Edit.LEFT_OUT)
    assert left.label == name
    assert any(r.startswith(NOT_PLANNED) and name in r for r in answer.remarks)
    assert "1 left out" in " ".join(said_of_corrections(answer.corrections))
    assert NOT_PLANNED in " ".join(str(e.get("TextValue") or "") for e in _items(told_in(answer.corrections)))


def _items(item: Dataset) -> list[Dataset]:
    below = item.get("ContentSequence") or ()
    return [item, *(n for child in below for n in _items(child))]


def test_several_can_be_added_to_a_set_of_one_lesion(room: Room) -> None:
    ds = edited(edited(room.ours(), delete="BM02"), delete="BM03")
    for name, index in (("neu 1", (12, 45, 40)), ("neu 2", (17, 45, 20))):
        with_untyped(ds, name, room.point(*index))
    answer = made(room.corrected(ds, brain=room.head))
    assert [n.name for n in answer.lesions] == ["BM01", "neu 1", "neu 2"]


def test_what_has_the_name_of_something_else_is_no_lesion_and_no_alarm(room: Room) -> None:
    ds = with_untyped(edited(room.ours(), move=("BM02", (2.0, 0, 0))), "Hippocampus_L", room.point(12, 45, 40))
    answer = made(room.corrected(ds, brain=room.head))
    assert len(answer.lesions) == 3
    assert not any(r.startswith(NOT_PLANNED) for r in answer.remarks)
    assert any("by their names: Hippocampus_L" in r for r in answer.remarks)


def test_in_a_set_that_is_not_ours_an_untyped_outline_is_no_lesion(room: Room) -> None:
    ds = edited(room.ours(), keep_descriptions=False)
    for k, roi in enumerate(ds.StructureSetROISequence):
        roi.ROIName = f"GTV {k}"
    with_untyped(ds, "neu links", room.point(12, 45, 40))
    answer = made(room.corrected(ds, brain=room.head))
    assert [n.name for n in answer.lesions] == ["GTV 0", "GTV 1", "GTV 2"]
    without = made(room.corrected(with_untyped(edited(room.ours()), "neu", room.point(12, 45, 40)), own=False))
    assert len(without.lesions) == 3


def test_the_brain_is_asked_for_only_where_an_outline_needs_it(room: Room) -> None:
    asked: list[int] = []

    def brain() -> None:
        asked.append(1)

    room.corrected(edited(room.ours()), brain=brain)
    assert not asked
    answer = made(room.corrected(with_untyped(edited(room.ours()), "neu", room.point(12, 45, 40)), brain=brain))
    assert asked
    assert answer.changes_nothing  # without a brain nothing is taken for a lesion: no endless loop of sent sets
    assert "1 outline(s) without a type" in _nothing_changed(answer)
    assert "neu" not in _nothing_changed(answer)


@pytest.mark.parametrize(
    ("name", "known"),
    [("Hippocampus_L", True), ("Ödem", True), ("Ring_1", True), ("PTV2", True), ("Brainstem", True), ("BODY", True),
     ("Isodose 12 Gy", True), ("Linse re", True), ("neu links", False), ("Precentral R", False), ("ROI_7", False),
     ("Kleinhirn rechts", False), ("temporal", False), ("A", False)],
)  # fmt: skip
def test_names_of_other_things_are_told_from_those_of_places(name: str, known: bool) -> None:
    assert is_something_else(name) is known


def test_outlines_that_nobody_changed_keep_what_the_models_said_of_them(tmp_path: Path) -> None:
    room = Room(tmp_path)
    found = sited(room.found)
    ours = next(e for e in encode(found, STAMP) if e.part is Part.RTSTRUCT)
    (tmp_path / "RTSTRUCT.dcm").write_bytes(to_bytes(ours.dataset))
    first, second, third = (n.short_label for n in found.lesions)
    ds = edited(room.ours(), move=(first, (2.0, 0.0, 0.0)), rename=(third, "Met C"))
    changed, same, renamed = made(room.corrected(ds)).lesions
    assert (changed.probability, changed.agreement, changed.verdict) == (None, None, None)
    for now, then in ((same, found.lesions[1]), (renamed, found.lesions[2])):
        assert now.probability == pytest.approx(then.probability, abs=5e-4)
        assert now.agreement == pytest.approx(then.agreement, abs=5e-3)
        assert now.verdict is not None
        assert now.is_calibrated
        assert now.verdict.threshold == pytest.approx(0.35)
    assert second == same.name
