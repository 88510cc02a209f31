"""Which lesion is which: whatever their numbers and wherever the head lies."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.followup.match import Matched, match, relate
from pipeline.followup.register import Registration

SHAPE = (40, 64, 64)
IDENTITY = Registration(np.eye(3), np.zeros(3), 1.0, 1.0)
Ball = tuple[tuple[float, float, float], float]


def balls(*wanted: Ball, spacing_mm: tuple[float, float, float] = (2.0, 1.0, 1.0)) -> hd.Volume:
    """Labels 1…n of balls: centre (slice, row, column) in mm, diameter in mm."""
    index = np.stack(np.indices(SHAPE), -1) * spacing_mm
    labels = np.zeros(SHAPE, np.uint16)
    for number, (centre, diameter) in enumerate(wanted, start=1):
        labels[np.linalg.norm(index - centre, axis=-1) <= diameter / 2] = number
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing_mm)
    return hd.Volume(labels, affine, "PATIENT")


def matched(then: hd.Volume, now: hd.Volume, laid: Registration = IDENTITY) -> Matched:
    numbers = [tuple(int(n) for n in np.unique(v.array) if n) for v in (then, now)]
    return match(relate(then, now, laid), *numbers)


FOUR = (((20, 15, 15), 8.0), ((20, 45, 15), 12.0), ((60, 15, 45), 5.0), ((60, 45, 45), 16.0))
"""Far apart from each other."""


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.permutations(range(4)), st.data())
def test_numbers_do_not_matter_and_far_lesions_are_never_matched(before, after, data) -> None:
    kept_then = data.draw(st.sets(st.sampled_from(range(4))))
    kept_now = data.draw(st.sets(st.sampled_from(range(4))))
    before, after = [b for b in before if b in kept_then], [a for a in after if a in kept_now]
    found = matched(balls(*(FOUR[b] for b in before)), balls(*(FOUR[a] for a in after)))
    assert {after[k - 1]: before[e - 1] for k, e in found.pairs.items()} == {b: b for b in kept_then & kept_now}
    assert {before[e - 1] for e in found.gone} == kept_then - kept_now
    assert {after[k - 1] for k in found.new} == kept_now - kept_then
    assert not found.merged
    assert not found.split


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    st.tuples(*[st.floats(-50.0, 50.0)] * 3),
    st.lists(st.floats(0.8, 1.25), min_size=4, max_size=4),
)
def test_a_rigid_motion_that_is_known_changes_nothing(about, shift, factors) -> None:
    then = balls(*FOUR)
    now = balls(*((centre, d * f) for (centre, d), f in zip(FOUR, factors, strict=True)))
    x, y, z = about
    turn = _rotation(x, y, z)
    laid = Registration(turn, np.array(shift), 1.0, 1.0)
    carried = np.eye(4)
    carried[:3, :3], carried[:3, 3] = turn, shift
    there = hd.Volume(now.array, carried @ now.affine, "PATIENT")
    plain, moved = relate(then, now, IDENTITY), relate(then, there, laid)
    assert matched(then, there, laid) == matched(then, now)
    assert [(r.earlier, r.later) for r in moved] == [(r.earlier, r.later) for r in plain]
    assert [r.dice for r in moved] == pytest.approx([r.dice for r in plain], abs=0.05)


def _rotation(x: float, y: float, z: float) -> np.ndarray:
    cos, sin = np.cos, np.sin
    about_x = np.array([[1, 0, 0], [0, cos(x), -sin(x)], [0, sin(x), cos(x)]])
    about_y = np.array([[cos(y), 0, sin(y)], [0, 1, 0], [-sin(y), 0, cos(y)]])
    about_z = np.array([[cos(z), -sin(z), 0], [sin(z), cos(z), 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


@settings(max_examples=30, deadline=None)
@given(st.floats(3.0, 20.0), st.floats(3.0, 20.0), st.floats(0.0, 40.0))
def test_apart_by_more_than_slack_and_slices_is_never_one_lesion(first, second, gap) -> None:
    apart = (first + second) / 2 + gap
    start = (30.0, 20.0, 10.0)
    then, now = balls((start, first)), balls(((30.0, 20.0, 10.0 + apart), second))
    if not now.array.any():
        return
    found = matched(then, now)
    if gap > 5.0:
        assert not found.pairs
    if gap == 0.0 and min(first, second) > 6:
        assert found.pairs


def test_two_that_grow_together_keep_the_larger_ones_place_and_the_other_is_said_to_have_merged() -> None:
    then = balls(((40, 20, 20), 8.0), ((40, 20, 32), 14.0))
    grown = balls(((40, 20, 20), 10.0), ((40, 20, 32), 18.0))
    now = grown.with_array((grown.array > 0).astype(np.uint16))
    found = matched(then, now)
    assert (found.pairs, found.merged, found.gone, found.new) == ({1: 2}, {1: 1}, (), ())


def test_one_that_falls_apart_goes_on_in_its_largest_part_and_the_other_split_from_it() -> None:
    whole = balls(((40, 20, 20), 8.0), ((40, 20, 28), 14.0))
    then, now = whole.with_array((whole.array > 0).astype(np.uint16)), balls(((40, 20, 18), 7.0), ((40, 20, 29), 13.0))
    found = matched(then, now)
    assert (found.pairs, found.split, found.gone, found.new) == ({2: 1}, {1: 1}, (), ())


def test_overlap_goes_before_nearness() -> None:
    then = balls(((40, 20, 20), 10.0), ((40, 20, 33), 10.0))
    now = balls(((40, 20, 23), 10.0))
    assert matched(then, now).pairs == {1: 1}


def test_of_two_tiny_ones_side_by_side_neither_is_the_other() -> None:
    thin = (1.0, 1.0, 1.0)
    then, now = balls(((20, 20, 20), 3.0), spacing_mm=thin), balls(((20, 20, 26), 3.0), spacing_mm=thin)
    assert matched(then, now) == Matched({}, {}, {}, (1,), (1,))


def test_without_lesions_on_a_date_all_are_new_or_gone() -> None:
    none, some = balls(), balls(*FOUR)
    assert matched(none, some) == Matched({}, {}, {}, (), (1, 2, 3, 4))
    assert matched(some, none) == Matched({}, {}, {}, (1, 2, 3, 4), ())


def test_thick_slices_of_one_date_do_not_part_what_is_one() -> None:
    then = balls(((30, 30, 30), 9.0), spacing_mm=(6.0, 1.0, 1.0))
    now = balls(((32, 31, 30), 9.0), spacing_mm=(1.0, 1.0, 1.0))
    assert matched(then, now).pairs == {1: 1}
