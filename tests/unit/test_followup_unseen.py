"""What the images of the other date do not show, or not whole, is neither gone nor new, and is not compared."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pytest

from pipeline.followup.change import Before, FollowUp, Response, Size, Status
from pipeline.followup.compare import Compared, Now, compare
from pipeline.followup.field import cut_by, field_of
from pipeline.followup.match import Matched
from pipeline.followup.timeline import Seen, Visit, assess, visits_of

SIZE = Size(500.0, 12.0, 8.0, 5, (1.0, 1.0, 1.0))
HALF = replace(SIZE, volume_mm3=250.0)
UP_MM = np.array([6.0, 0.0, 0.0])
LARGE = replace(SIZE, volume_mm3=4000.0, long_axis_mm=20.0)


def grid(slices: int) -> hd.Volume:
    """Something to see in every slice."""
    row = np.arange(20, dtype=np.float32)
    return hd.Volume(np.broadcast_to(row, (slices, 20, 20)).copy(), np.eye(4), "PATIENT")


def lesions(*slices: slice) -> hd.Volume:
    array = np.zeros((40, 20, 20), np.uint16)
    for number, of in enumerate(slices, start=1):
        array[of, 5:9, 5:9] = number
    return grid(40).with_array(array)


@pytest.mark.parametrize(
    ("shown", "filled", "cut"),
    [
        (40, (), set()),
        (20, (), {1, 2}),
        (20, (6,), {1, 2, 3}),
        (40, (6, 19), {2, 3}),
    ],
)
def test_a_lesion_beyond_half_in_or_on_slices_that_were_made_up_is_cut(shown, filled, cut) -> None:
    labels = lesions(slice(30, 34), slice(18, 22), slice(4, 8))
    assert cut_by(field_of(grid(shown), filled), labels, (1, 2, 3), lambda points: points) == cut


def test_one_slice_in_a_dozen_that_was_made_up_cuts_nothing() -> None:
    labels = lesions(slice(10, 22))
    assert not cut_by(field_of(grid(40), (15,)), labels, (1,), lambda points: points)


def test_slices_without_any_contrast_show_nothing() -> None:
    image = grid(40)
    array = np.asarray(image.array).copy()
    array[25:] = 0
    labels = lesions(slice(30, 34), slice(4, 8))
    assert cut_by(field_of(image.with_array(array)), labels, (1, 2), lambda points: points) == {1}


def test_the_way_to_the_other_date_is_gone_before_it_is_looked_up() -> None:
    labels = lesions(slice(4, 8))
    assert cut_by(field_of(grid(20)), labels, (1,), lambda points: points - UP_MM) == {1}
    assert not cut_by(field_of(grid(20)), labels, (1,), lambda points: points + UP_MM)


def compared(matched: Matched, then: dict[int, Size], now: dict[int, Size], **cut: list[int]) -> Compared:
    befores = {e: Before(f"2.25.{e}", f"BM{e:02d}", size) for e, size in then.items()}
    nows = {k: Now(f"2.25.10{k}", f"BM{k:02d}", size) for k, size in now.items()}
    return compare(matched, befores, nows, **cut)


GONE, NEW, KEPT = Matched({}, {}, {}, (1,), ()), Matched({}, {}, {}, (), (1,)), Matched({1: 1}, {}, {}, (), ())


@pytest.mark.parametrize(
    ("matched", "then", "now", "cut", "shown"),
    [
        (GONE, {1: SIZE}, {}, {"cut_now": [1]}, Response.CR),
        (NEW, {}, {1: SIZE}, {"cut_then": [1]}, Response.PD),
        (KEPT, {1: SIZE}, {1: HALF}, {"cut_now": [1]}, Response.SD),
        (KEPT, {1: HALF}, {1: SIZE}, {"cut_then": [1]}, Response.SD),
    ],
)
def test_what_one_date_does_not_show_whole_is_not_imaged_and_nothing_is_in_percent(
    matched, then, now, cut, shown
) -> None:
    assert compared(matched, then, now).response is shown
    found = compared(matched, then, now, **cut)
    (change,) = (*found.changes, *found.gone)
    assert change.status is Status.NOT_IMAGED
    assert (change.volume_percent, change.diameter_percent, change.enhancing_percent) == (None, None, None)
    assert (change.cut_then, change.cut_now) == ("cut_then" in cut, "cut_now" in cut)
    assert (change.target, change.doubtful) == (False, False)
    assert (found.sum_then_mm, found.sum_now_mm) == (0, 0)
    assert (found.response, found.of_targets) == (Response.UNSAID, None)
    assert change.words.startswith("not imaged; the images of")
    assert "%" not in change.words
    assert not {"gone", "new", "grown", "shrunk"} & set(change.words.replace(";", "").split())


def test_a_pair_keeps_its_uid_though_a_part_of_it_is_not_imaged() -> None:
    (change,) = compared(KEPT, {1: SIZE}, {1: HALF}, cut_now=[1]).changes
    assert change.tracking_uid == "2.25.1"
    assert (change.then, change.now) == (SIZE, HALF)


def test_all_parts_of_what_merged_are_not_imaged_when_one_is_not() -> None:
    matched = Matched({1: 1}, {2: 1}, {}, (), ())
    (change,) = compared(matched, {1: SIZE, 2: HALF}, {1: LARGE}, cut_now=[2]).changes
    assert change.status is Status.NOT_IMAGED


def test_the_targets_that_are_left_are_summed_but_do_not_speak_for_the_one_that_is_not_imaged() -> None:
    grown = replace(SIZE, long_axis_mm=18.0)
    matched = Matched({1: 2}, {}, {}, (1,), ())
    found = compared(matched, {1: LARGE, 2: SIZE}, {1: grown}, cut_now=[1])
    assert (found.sum_then_mm, found.sum_now_mm) == (12, 18)
    assert (found.of_targets, found.response) == (None, Response.UNSAID)


def test_a_lesion_that_is_new_where_both_dates_show_the_place_is_still_progression() -> None:
    matched = Matched({}, {}, {}, (1,), (1,))
    assert compared(matched, {1: SIZE}, {1: HALF}, cut_now=[1]).response is Response.PD


@pytest.mark.parametrize(
    ("matched", "then", "now", "cut"),
    [
        (GONE, {1: SIZE}, {}, {"cut_now": [1]}),
        (NEW, {}, {1: SIZE}, {"cut_then": [1]}),
        (KEPT, {1: SIZE}, {1: HALF}, {"cut_now": [1]}),
        (KEPT, {1: HALF}, {1: SIZE}, {"cut_then": [1]}),
        (Matched({1: 2}, {}, {}, (1,), ()), {1: LARGE, 2: SIZE}, {1: SIZE}, {"cut_now": [1]}),
        (Matched({1: 2}, {1: 2}, {}, (), ()), {1: LARGE, 2: SIZE}, {1: SIZE}, {"cut_then": [1]}),
    ],
)
def test_a_timeline_of_both_dates_says_what_the_comparison_says(matched, then, now, cut) -> None:
    c = compared(matched, then, now, **cut)
    told = FollowUp("1.2", "1.3", "20260101", 59, c.changes, c.gone, 0.9, "as drawn", c.sum_then_mm, c.sum_now_mm,
                    c.response, c.of_targets)  # fmt: skip
    assert "not imaged" in told.words
    first, second = assess(visits_of(told, "1.4", "20260301"))
    assert second.response is told.response
    assert (second.new, second.sum_mm) == ((), c.sum_now_mm)
    assert first.response is None


def visit(day: str, cut: tuple[str, ...] = (), hidden: tuple[str, ...] = (), **mm: float) -> Visit:
    seen = {uid: Seen(uid, replace(SIZE, long_axis_mm=x), hidden_before=uid in hidden) for uid, x in mm.items()}
    return Visit(day, f"1.2.{day}", seen, {}, frozenset(cut))


def test_a_lesion_that_was_not_imaged_is_not_gone_on_later_dates_until_it_is_seen_again() -> None:
    dates = [
        visit("20260101", a=20, b=30), visit("20260301", cut=("b",), a=14), visit("20260501", a=14),
        visit("20260701", a=14, b=20),
    ]  # fmt: skip
    found = assess(dates)
    assert [a.response for a in found[1:]] == [Response.UNSAID, Response.UNSAID, Response.PR]
    assert [a.lost for a in found] == [frozenset(), {"b"}, {"b"}, frozenset()]
    assert [a.sum_mm for a in found] == [50, 14, 14, 34]
    assert found[1].baseline_percent == pytest.approx(-30)  # of a alone, on both dates
    assert found[3].nadir_percent == pytest.approx(-32)  # no smaller sum has both


def test_a_lesion_where_earlier_images_show_nothing_is_never_called_new() -> None:
    found = assess([visit("20260101", a=20), visit("20260301", hidden=("b",), a=20, b=9), visit("20260501", a=20, b=9)])
    assert [a.new for a in found] == [(), (), ()]
    assert [a.response for a in found[1:]] == [Response.UNSAID, Response.UNSAID]
