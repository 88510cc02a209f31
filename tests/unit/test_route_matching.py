from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.route import (
    ALWAYS,
    All,
    AnyOf,
    Condition,
    Destination,
    Not,
    Op,
    Route,
    Test,
    judge,
    match,
)
from pipeline.core.study import Instance, Series, Study, group

KEYWORDS = ("Modality", "SliceThickness", "ImageType", "SeriesDescription")
plain = st.sampled_from(["MR", "CT", "DERIVED", "", "1", "2.5"]) | st.integers(-3, 3) | st.floats(-3, 3)
headers = st.dictionaries(st.sampled_from(KEYWORDS), plain | st.tuples(plain, plain))
tests = st.one_of(
    st.builds(Test, st.sampled_from(KEYWORDS), st.just(Op.EQUALS), plain),
    st.builds(Test, st.sampled_from(KEYWORDS), st.just(Op.IN), st.tuples(plain, plain)),
    st.builds(Test, st.sampled_from(KEYWORDS), st.just(Op.REGEX), st.sampled_from(["M", "^C", "[0-9]", "$"])),
    st.builds(Test, st.sampled_from(KEYWORDS), st.sampled_from([Op.MIN, Op.MAX]), st.integers(-3, 3)),
    st.builds(Test, st.sampled_from(KEYWORDS), st.just(Op.EXISTS), st.booleans()),
)
conditions = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)


def series(header: dict[str, Any], number: int = 1) -> Series:
    uid = f"1.2.{number}"
    one = Instance(
        f"{uid}.1", "1.2.840.10008.5.1.4.1.1.4", uid, "1.2", "1.2.840.10008.1.2.1", "MR", Path("x"), "", header
    )
    return Series(uid, (one,))


def holds(condition: Condition, header: dict[str, Any], extra: dict[str, str] | None = None) -> bool:
    return judge(condition, series(header), extra).holds


@given(st.lists(conditions, max_size=4).map(tuple), headers)
def test_all_and_any_and_not_are_logic(parts: tuple[Condition, ...], header: dict[str, Any]):
    each = [holds(p, header) for p in parts]
    assert holds(All(parts), header) == all(each)
    assert holds(AnyOf(parts), header) == any(each)
    for part, one in zip(parts, each, strict=True):
        assert holds(Not(part), header) != one
        assert holds(Not(Not(part)), header) == one


@given(st.lists(conditions, min_size=1, max_size=4).map(tuple), headers)
def test_de_morgan(parts: tuple[Condition, ...], header: dict[str, Any]):
    assert holds(Not(All(parts)), header) == holds(AnyOf(tuple(Not(p) for p in parts)), header)


@given(conditions, headers)
def test_a_verdict_explains_every_part_in_words(condition: Condition, header: dict[str, Any]):
    verdict = judge(condition, series(header))
    lines = verdict.lines()
    assert lines[0].startswith("yes" if verdict.holds else "no ")
    assert all(line.strip() for line in lines)
    assert len(lines) == _size(condition)


def _size(condition: Condition) -> int:
    match condition:
        case All(parts) | AnyOf(parts):
            return 1 + sum(map(_size, parts))
        case Not(part):
            return 1 + _size(part)
        case _:
            return 1


@given(tests, headers)
def test_an_absent_element_passes_nothing_but_exists_false(test: Test, header: dict[str, Any]):
    without = {k: v for k, v in header.items() if k != test.keyword}
    assert holds(test, without) == (test.op is Op.EXISTS and test.operand is False)


@given(st.sampled_from(["MR", "CT", "US"]), st.lists(st.sampled_from(["MR", "CT", "US"]), max_size=3).map(tuple))
def test_in_is_equals_with_one_of_them(value: str, choices: tuple[str, ...]):
    either = AnyOf(tuple(Test("Modality", Op.EQUALS, c) for c in choices))
    assert holds(Test("Modality", Op.IN, choices), {"Modality": value}) == holds(either, {"Modality": value})


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_min_and_max_include_both_ends(value: float, low: float, high: float):
    within = All((Test("SliceThickness", Op.MIN, low), Test("SliceThickness", Op.MAX, high)))
    assert holds(within, {"SliceThickness": value}) == (low <= value <= high)
    assert holds(within, {"SliceThickness": str(value)}) == (low <= value <= high)


@pytest.mark.parametrize(
    ("value", "operand", "equal"),
    [
        ("MR", "MR", True),
        ("MR ", "MR", True),
        ("mr", "MR", False),
        ("1", 1, True),
        (1, 1.0, True),
        ("1.0", "1", False),
        (1, "1", True),
        (("ORIGINAL", "PRIMARY"), "PRIMARY", True),
        (("ORIGINAL", "PRIMARY"), "SECONDARY", False),
        ("text", 1, False),
        ("", "", False),
    ],
)
def test_equal_is_by_value_for_numbers_and_by_letters_for_text(value: Any, operand: Any, equal: bool):
    assert holds(Test("ImageType", Op.EQUALS, operand), {"ImageType": value}) is equal


def test_text_is_no_number_and_is_within_no_range():
    assert not holds(Test("SliceThickness", Op.MIN, 0), {"SliceThickness": "thin"})


def test_a_regular_expression_is_found_anywhere():
    assert holds(Test("SeriesDescription", Op.REGEX, "(?i)t1"), {"SeriesDescription": "ax T1 mprage"})
    assert not holds(Test("SeriesDescription", Op.REGEX, "^T1"), {"SeriesDescription": "ax T1 mprage"})


def test_ae_titles_are_tested_like_keywords():
    route = Route("r", "srs", (), when=Test("calling_ae", Op.EQUALS, "MR1"))
    study = Study("1.2", (series({"Modality": "MR"}),))
    assert match(route, study, calling_ae="MR1", called_ae="LANTERN").taken == study
    assert match(route, study, calling_ae="MR2", called_ae="LANTERN").taken is None


@given(conditions, st.lists(headers, min_size=1, max_size=5))
def test_a_route_takes_exactly_the_series_for_which_it_holds(condition: Condition, found: list[dict[str, Any]]):
    study = Study("1.2", tuple(series(h, n) for n, h in enumerate(found)))
    answer = match(Route("r", "srs", (), when=condition), study, calling_ae="A", called_ae="B")
    expected = tuple(s for s in study.series if judge(condition, s).holds)
    assert (answer.taken.series if answer.taken else ()) == expected
    assert [uid for uid, _ in answer.why] == [s.series_instance_uid for s in study.series]


@given(headers)
def test_a_route_without_a_condition_takes_everything(header: dict[str, Any]):
    study = Study("1.2", (series(header),))
    assert match(Route("r", "srs", ()), study, calling_ae="A", called_ae="B").taken == study
    assert judge(ALWAYS, study.series[0]).text == "always"


def test_a_route_that_listens_elsewhere_says_so_and_takes_nothing():
    route = Route("r", "srs", (), called_ae=("LANTERN_SRS",))
    answer = match(route, Study("1.2", (series({}),)), calling_ae="A", called_ae="LANTERN")
    assert answer.taken is None
    assert "listens to LANTERN_SRS" in answer.why[0][1].text
    assert route.listens_to("LANTERN_SRS")
    assert not route.listens_to("LANTERN")


def test_one_series_cannot_borrow_what_another_has():
    both = All((Test("Modality", Op.EQUALS, "MR"), Test("SliceThickness", Op.MAX, 2)))
    study = Study("1.2", (series({"Modality": "MR"}, 1), series({"SliceThickness": 1}, 2)))
    assert match(Route("r", "srs", (), when=both), study, calling_ae="A", called_ae="B").taken is None


@given(st.permutations(range(6)))
def test_grouping_does_not_depend_on_the_order_of_arrival(order: list[int]):
    def one(n: int) -> Instance:
        return Instance(f"1.{n}", "1.1", f"2.{n // 2}", f"3.{n // 4}", "1.2", "MR", Path("x"))

    studies = group([one(n) for n in order])
    assert studies == group([one(n) for n in range(6)])
    assert sorted(i.sop_instance_uid for s in studies for i in s.instances) == [f"1.{n}" for n in range(6)]


def test_the_secret_of_a_destination_is_not_in_its_text_form():
    assert "hunter2" not in repr(Destination("web", stow_url="https://x", secret="hunter2"))


def test_what_is_drawn_on_a_series_goes_with_it_and_nothing_else_does():
    def one(uid: str, modality: str, **header: Any) -> Instance:
        return Instance(f"{uid}.1", "1.2", uid, "1.9", "1.2", modality, Path(), header={"Modality": modality, **header})

    t1c = one("1.1", "MR", FrameOfReferenceUID="1.7")
    drawn = one("1.2", "RTSTRUCT", ReferencedSeriesInstanceUID=("1.1",))
    elsewhere = one("1.3", "RTSTRUCT", ReferencedSeriesInstanceUID=("1.99",), FrameOfReferenceUID="1.7")
    dose = one("1.4", "RTDOSE", FrameOfReferenceUID="1.7")
    report = one("1.5", "SR", ReferencedSeriesInstanceUID=("1.1",))
    (study,) = group([t1c, drawn, elsewhere, dose, report])
    only_mr = Route("r", "srs", (), when=Test("Modality", Op.EQUALS, "MR"))
    found = match(only_mr, study, calling_ae="A", called_ae="B")
    assert found.taken is not None
    assert [s.series_instance_uid for s in found.taken.series] == ["1.1", "1.2", "1.4"]
    nothing = Route("r", "srs", (), when=Test("Modality", Op.EQUALS, "CT"))
    assert match(nothing, study, calling_ae="A", called_ae="B").taken is None
