"""Grown, stable, shrunk; RANO-BM's words; tracking UIDs; sums over dates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.followup.change import (
    Before,
    Response,
    Size,
    Status,
    outgrew,
    response_of,
    status_of,
    targets_of,
    targets_response,
)
from pipeline.followup.compare import Compared, Now, compare
from pipeline.followup.match import Matched
from pipeline.followup.timeline import Seen, Visit, assess, visits_of

THIN, THICK = (1.0, 1.0, 1.0), (6.0, 0.94, 0.94)


def ball(diameter_mm: float, voxel_mm: tuple[float, float, float] = THIN) -> Size:
    volume = 3.14159265 / 6 * diameter_mm**3
    return Size(volume, diameter_mm, diameter_mm, max(1, int(diameter_mm / voxel_mm[0])), voxel_mm)


def of_volume(mm3: float, voxel_mm: tuple[float, float, float] = THIN) -> Size:
    return Size(mm3, 20.0, 20.0, 5, voxel_mm)


@pytest.mark.parametrize(
    ("then", "now", "status"),
    [
        (of_volume(10_000), of_volume(12_100), Status.GROWN),
        (of_volume(10_000), of_volume(11_900), Status.STABLE),
        (of_volume(10_000), of_volume(7_900), Status.SHRUNK),
        (of_volume(100), of_volume(130), Status.STABLE),
        (of_volume(100), of_volume(200), Status.GROWN),
        (of_volume(10_000, THICK), of_volume(12_100, THICK), Status.STABLE),
        (of_volume(200, THICK), of_volume(400, THICK), Status.STABLE),
        (of_volume(100_000, THICK), of_volume(121_000, THICK), Status.GROWN),
        (of_volume(10_000, THICK), of_volume(14_000, THICK), Status.GROWN),
    ],
)
def test_a_change_within_a_fifth_or_within_the_error_of_the_voxels_is_stable(then, now, status) -> None:
    assert status_of([then], [now]) is status


@given(st.floats(20, 1e5), st.floats(20, 1e5))
def test_a_change_and_its_reverse_never_say_the_same_direction(a, b) -> None:
    there, back = status_of([of_volume(a)], [of_volume(b)]), status_of([of_volume(b)], [of_volume(a)])
    assert (there, back) not in {(Status.GROWN,) * 2, (Status.SHRUNK,) * 2}


def test_measurable_is_ten_millimetres_long_five_across_on_two_slices_and_twice_the_thickness_of_thick_ones() -> None:
    assert Size(500, 10.0, 5.0, 2, THIN).measurable
    assert not Size(500, 9.9, 5.0, 2, THIN).measurable
    assert not Size(500, 10.0, 4.9, 2, THIN).measurable
    assert not Size(500, 10.0, 5.0, 1, THIN).measurable
    assert not Size(500, 11.9, 8.0, 2, THICK).measurable
    assert Size(500, 12.0, 8.0, 2, THICK).measurable


def test_at_most_the_five_longest_are_targets() -> None:
    lesions = [Before(str(k), f"BM{k}", ball(9.0 + k)) for k in range(8)]
    assert [b.tracking_uid for b in targets_of(lesions)] == ["7", "6", "5", "4", "3"]


@pytest.mark.parametrize(
    ("baseline", "nadir", "now", "gain", "left", "new", "before", "response"),
    [
        (50, 50, 35, 0, 2, 0, 2, Response.PR),
        (50, 50, 35.1, 0, 2, 0, 2, Response.SD),
        (50, 50, 60, 5, 2, 0, 2, Response.PD),
        (50, 50, 60, 4.9, 2, 0, 2, Response.SD),
        (50, 50, 59.9, 9.9, 2, 0, 2, Response.SD),
        (50, 20, 25, 5, 2, 0, 2, Response.PD),
        (50, 20, 23, 3, 2, 0, 2, Response.PR),
        (50, 50, 0, 0, 0, 0, 2, Response.CR),
        (50, 50, 0, 0, 0, 1, 2, Response.PD),
        (50, 50, 0, 0, 1, 0, 2, Response.PR),
        (0, 0, 0, 0, 1, 0, 1, Response.NON_TARGET),
        (0, 0, 0, 0, 0, 0, 1, Response.CR),
        (0, 0, 0, 0, 0, 0, 0, Response.NONE),
        (0, 0, 0, 0, 0, 2, 0, Response.PD),
    ],
)
def test_the_words_of_rano_bm(baseline, nadir, now, gain, left, new, before, response) -> None:
    of_targets = targets_response(baseline, nadir, now, gain)
    assert response_of(of_targets, left=left, new=new, before=before) is response


def compared(
    matched: Matched, then: dict[int, Size], now: dict[int, Size], bright: frozenset[int] = frozenset()
) -> Compared:
    befores = {e: Before(f"2.25.{e}", f"BM{e:02d}", size) for e, size in then.items()}
    nows = {k: Now(f"2.25.{k}", f"BM{k:02d}", size, k in bright) for k, size in now.items()}
    return compare(matched, befores, nows)


def test_matched_lesions_carry_their_uid_on_and_no_uid_is_used_twice() -> None:
    found = compared(
        Matched({1: 2}, {}, {}, (1,), (2, 3)), {1: ball(12), 2: ball(15)}, {1: ball(20), 2: ball(8), 3: ball(7)}
    )
    uids = [c.tracking_uid for c in (*found.changes, *found.gone)]
    assert uids[0] == "2.25.2"  # what is 1 now was 2
    assert uids[-1] == "2.25.1"
    assert len(set(uids)) == 4
    assert [c.status for c in found.changes] == [Status.GROWN, Status.NEW, Status.NEW]


def test_merging_counts_all_parts_and_the_sum_of_diameters_keeps_both() -> None:
    found = compared(Matched({1: 2}, {1: 1}, {}, (), ()), {1: ball(12), 2: ball(20)}, {1: ball(26)})
    (change,) = found.changes
    assert change.tracking_uid == "2.25.2"
    assert [b.tracking_uid for b in change.merged_from] == ["2.25.1"]
    assert change.volume_percent == pytest.approx(100 * (26**3 / (12**3 + 20**3) - 1))
    assert (found.sum_then_mm, found.sum_now_mm) == (32, 26)
    assert "merged with BM01" in change.words


def test_splitting_is_told_on_the_part_and_both_parts_share_what_became_of_them() -> None:
    found = compared(Matched({1: 1}, {}, {2: 1}, (), ()), {1: ball(24)}, {1: ball(15), 2: ball(12)})
    first, second = found.changes
    assert (first.tracking_uid, second.split_from) == ("2.25.1", "2.25.1")
    assert second.tracking_uid not in ("", "2.25.1")
    assert first.status is second.status is Status.SHRUNK
    assert found.sum_now_mm == 27
    assert found.response is Response.SD


def test_a_new_lesion_is_progression_of_all_and_not_of_the_targets() -> None:
    found = compared(Matched({1: 1}, {}, {}, (), (2,)), {1: ball(20)}, {1: ball(10), 2: ball(4)})
    assert (found.response, found.of_targets) == (Response.PD, Response.PR)


def test_all_targets_gone_is_complete_for_them_and_partial_while_another_lesion_is_left() -> None:
    found = compared(Matched({1: 2}, {}, {}, (1,), ()), {1: ball(20), 2: ball(6)}, {1: ball(6)})
    assert (found.response, found.of_targets) == (Response.PR, Response.CR)


def test_a_target_that_comes_back_after_it_was_gone_is_progression() -> None:
    found = assess([visit("20260101", a=20, b=4), visit("20260301", b=4), visit("20260501", a=12, b=4)])
    assert [a.response for a in found] == [None, Response.PR, Response.PD]


def test_a_doubtful_new_lesion_is_no_progression() -> None:
    then, now = {1: ball(14)}, {1: ball(14), 2: ball(9)}
    matched = Matched({1: 1}, {}, {}, (), (2,))
    assert compared(matched, then, now).response is Response.PD
    doubted = compared(matched, then, now, frozenset({2}))
    assert doubted.response is Response.SD
    assert doubted.changes[1].status is Status.NEW
    assert "doubtful" in doubted.changes[1].words


def visit(day: str, links: dict[str, str] | None = None, **diameters: float) -> Visit:
    return Visit(day, f"1.2.{day}", {uid: Seen(uid, ball(mm)) for uid, mm in diameters.items()}, links or {})


def test_over_many_dates_response_is_to_the_baseline_and_progression_to_the_nadir() -> None:
    visits = [
        visit("20260101", a=20, b=30),
        visit("20260301", a=10, b=20),
        visit("20260501", a=12, b=21),
        visit("20260701", a=17, b=21),
    ]
    found = assess(visits[::-1])  # in whatever order they come
    assert [a.response for a in found] == [None, Response.PR, Response.PR, Response.PD]
    assert [a.sum_mm for a in found] == [50, 30, 33, 38]
    assert found[3].nadir_percent == pytest.approx(100 * (38 / 30 - 1))
    assert found[3].baseline_percent == pytest.approx(-24)


def test_what_merged_is_neither_gone_nor_new_and_its_diameter_stays_in_the_sum() -> None:
    found = assess([visit("20260101", a=20, b=12), visit("20260301", {"b": "a"}, a=28)])
    assert found[1].sum_mm == 28
    assert found[1].new == ()
    assert found[1].response is Response.SD


def test_a_lesion_that_no_earlier_date_has_is_progression_and_one_without_any_lesion_is_complete() -> None:
    found = assess([visit("20260101", a=20), visit("20260301", a=20, c=4), visit("20260501")])
    assert [a.response for a in found] == [None, Response.PD, Response.CR]
    assert found[1].new == ("c",)


def test_a_follow_up_gives_two_dates_for_a_timeline() -> None:
    from pipeline.followup.change import FollowUp

    c = compared(Matched({1: 2}, {1: 1}, {}, (), (2,)), {1: ball(12), 2: ball(20)}, {1: ball(26), 2: ball(8)})
    told = FollowUp("1.2", "1.3", "20260101", 59, c.changes, c.gone, 0.9, "as drawn", c.sum_then_mm, c.sum_now_mm,
                    c.response)  # fmt: skip
    then, now = visits_of(told, "1.4", "20260301")
    assert set(then.lesions) == {"2.25.1", "2.25.2"}
    assert now.links == {"2.25.1": "2.25.2"}
    assert assess([then, now])[1].response is told.response
    assert "2026-01-01" in told.words
    assert "no assessment" in told.words


@pytest.mark.parametrize(
    ("left", "new", "before", "present", "unclear"),
    [(0, 0, 1, 1, False), (0, 0, 0, 1, False), (1, 0, 1, 1, True), (0, 0, 1, 0, True)],
)
def test_what_the_words_would_contradict_is_not_said(
    left: int, new: int, before: int, present: int, unclear: bool
) -> None:
    said = response_of(Response.SD, left=left, new=new, before=before, present=present, unclear=unclear)
    assert said is Response.UNSAID


def test_growth_of_what_is_no_target_is_told_from_noise() -> None:
    assert outgrew(8, 25)
    assert not outgrew(8, 12)
    assert not outgrew(30, 35)
