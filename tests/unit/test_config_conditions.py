from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from config.conditions import parse_when
from pipeline.core.route import ALWAYS, All, AnyOf, Condition, Not, Op, Test, judge
from pipeline.core.study import Instance, Series

MR = Test("Modality", Op.EQUALS, "MR")


def when(text: str) -> Any:
    return tomllib.loads(f"when = {text}")["when"]


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("{}", ALWAYS),
        ('{ Modality = "MR" }', MR),
        ('{ Modality = { equals = "MR" } }', MR),
        ('{ Modality = ["MR", "CT"] }', Test("Modality", Op.IN, ("MR", "CT"))),
        ('{ Modality = { in = ["MR"] } }', Test("Modality", Op.IN, ("MR",))),
        ("{ EchoNumbers = 1 }", Test("EchoNumbers", Op.EQUALS, 1)),
        (
            "{ SliceThickness = { min = 0.5, max = 3 } }",
            All((Test("SliceThickness", Op.MIN, 0.5), Test("SliceThickness", Op.MAX, 3))),
        ),
        ("{ ContrastBolusAgent = { exists = true } }", Test("ContrastBolusAgent", Op.EXISTS, True)),
        ('{ calling_ae = "MR1" }', Test("calling_ae", Op.EQUALS, "MR1")),
        ('{ called_ae = { regex = "^L" } }', Test("called_ae", Op.REGEX, "^L")),
        ('{ not = { Modality = "MR" } }', Not(MR)),
        ('{ any = [{ Modality = "MR" }, {}] }', AnyOf((MR, ALWAYS))),
        (
            '{ Modality = "MR", SeriesDescription = { regex = "(?i)t1" }, not = { StationName = "TEST" } }',
            All(
                (
                    MR,
                    Test("SeriesDescription", Op.REGEX, "(?i)t1"),
                    Not(Test("StationName", Op.EQUALS, "TEST")),
                )
            ),
        ),
        (
            '{ all = [{ any = [{ not = { Modality = "MR" } }] }] }',
            All((AnyOf((Not(MR),)),)),
        ),
    ],
)
def test_a_table_says_a_condition(text: str, condition: Condition):
    assert parse_when(when(text)) == condition
    assert parse_when(condition) is condition


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{ Modalty = "MR" }', [("Modalty",)]),
        ("{ PixelData = 1 }", [("PixelData",)]),
        ("{ Modality = {} }", [("Modality",)]),
        ("{ Modality = [] }", [("Modality",)]),
        ("{ Modality = true }", [("Modality",)]),
        ("{ StudyDate = 2024-01-31 }", [("StudyDate",)]),
        ('{ Modality = { matches = "x" } }', [("Modality", "matches")]),
        ('{ Modality = { regex = "(" } }', [("Modality", "regex")]),
        ("{ Modality = { regex = 3 } }", [("Modality", "regex")]),
        ('{ EchoTime = { min = "1" } }', [("EchoTime", "min")]),
        ("{ EchoTime = { min = nan } }", [("EchoTime", "min")]),
        ("{ EchoTime = { min = 3, max = 2 } }", [("EchoTime",)]),
        ('{ EchoTime = { exists = "yes" } }', [("EchoTime", "exists")]),
        ("{ any = [] }", [("any",)]),
        ("{ any = {} }", [("any",)]),
        ("{ all = [1] }", [("all", 0)]),
        ("{ not = [] }", [("not",)]),
        ("3", [()]),
        (
            '{ A = 1, any = [{ B = 1 }, { Modality = { regex = "(" } }] }',
            [("A",), ("any", 0, "B"), ("any", 1, "Modality", "regex")],
        ),
    ],
)
def test_every_problem_has_its_place(text: str, places: list[tuple[str | int, ...]]):
    with pytest.raises(ValidationError) as refused:
        parse_when(when(text))
    assert [e["loc"] for e in refused.value.errors()] == places


def test_the_example_of_the_readme_takes_what_it_says():
    condition = parse_when(
        when('{ Modality = "MR", SeriesDescription = { regex = "(?i)t1" }, not = { StationName = "TEST" } }')
    )

    def taken(**header: str) -> bool:
        one = Instance("1.1", "1.2", "1.3", "1.4", "1.2", "MR", Path("x"), header=header)
        return judge(condition, Series("1.3", (one,))).holds

    assert taken(Modality="MR", SeriesDescription="ax T1 +C")
    assert taken(Modality="MR", SeriesDescription="t1", StationName="MR1")
    assert not taken(Modality="MR", SeriesDescription="t1", StationName="TEST")
    assert not taken(Modality="MR", SeriesDescription="T2")
    assert not taken(Modality="CT", SeriesDescription="t1")
    assert not taken(Modality="MR")
