from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.lines import key_lines
from config.problems import Key


def keys_of(value: Any, at: Key = ()) -> Iterator[Key]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*at, key)
        yield from keys_of(inner, (*at, key))


bare = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
quoted = st.sampled_from(['"a b"', "'x.y'", '"q\\"#"', '""', '"[z]"', '"é = 1"'])
names = bare | quoted
scalars = st.sampled_from(
    [
        "1",
        "-2.5e3",
        "true",
        "inf",
        "2024-01-31",
        "2024-01-31 10:11:12",
        "2024-01-31T10:11:12.5+01:00",
        "10:11:12",
        '"x # no comment ] } ,"',
        "'single \\'",
        '"escaped \\" quote"',
        '""',
        '"""multi\nline " ""\\""" "" # [a]\n[b]"""',
        "'''multi\n[c] = '' \n'''",
        '"""ends with quotes"""""',
    ]
)
gaps = st.sampled_from(["", " ", "\n", " # note ] } \n", "\n\n  "])


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    items = [draw(gaps) + draw(inner) + draw(gaps) for _ in range(draw(st.integers(0, 3)))]
    return "[" + ",".join(items) + ("," if items and draw(st.booleans()) else draw(gaps)) + "]"


@st.composite
def inline_tables(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    keys = draw(st.lists(names, max_size=3, unique=True))
    return "{" + ", ".join(f"{k} = {draw(inner)}" for k in keys) + " }"


values = st.recursive(scalars, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=6)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines: list[str] = []
    for _ in range(draw(st.integers(0, 8))):
        path = ".".join(draw(st.lists(names, min_size=1, max_size=3)))
        kind = draw(st.sampled_from(["pair", "pair", "[", "[[", "note"]))
        lines.append(
            {
                "pair": f"{path} = {draw(values)}",
                "[": f"  [ {path} ] # note",
                "[[": f"[[{path}]]",
                "note": "# [no] = 'thing'\n",
            }[kind]
        )
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines)


@given(documents())
def test_the_keys_with_a_line_are_those_that_tomllib_finds(text: str):
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # the strategy may define a key twice; the locator is never asked then
        return
    assert set(key_lines(text)) == set(keys_of(data))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=10))
def test_each_key_is_on_the_line_where_it_was_written(blank_lines_before: list[int]):
    text, expected = "", {}
    for n, blank in enumerate(blank_lines_before):
        text += "\n" * blank
        expected[(f"k{n}",)] = text.count("\n") + 1
        text += f"k{n} = 1\n"
    assert key_lines(text) == expected


def test_lines_inside_arrays_of_tables():
    text = "\n".join(
        [
            "# one",
            "[[route]]",
            'name = "a"',
            "[route.when]",
            "any = [",
            '  { Modality = "MR" },',
            '  { Modality = { regex = "x" } },',
            "]",
            "[[route]]",
            "when.not.Modality = 1",
        ]
    )
    lines = key_lines(text)
    assert lines["route", 0] == 2
    assert lines["route", 0, "name"] == 3
    assert lines["route", 0, "when"] == 4
    assert lines["route", 0, "when", "any", 0, "Modality"] == 6
    assert lines["route", 0, "when", "any", 1, "Modality", "regex"] == 7
    assert lines["route", 1] == 9
    assert lines["route", 1, "when", "not", "Modality"] == 10


@pytest.mark.parametrize("text", ["", "# only a note", "\r\n\r\n"])
def test_an_empty_document_has_no_keys(text: str):
    assert key_lines(text) == {}
