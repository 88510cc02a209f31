from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from pipeline.core.uid import derive_uid, is_uid

parts = st.lists(st.text(st.characters(exclude_characters="\x1f", codec="utf-8")), min_size=1, max_size=5)


@pytest.mark.parametrize(
    ("given_parts", "uid"),
    [
        (("seg",), "2.25.311386253821703845445999511315750060562"),
        (("work-key", "SEG", "instance"), "2.25.104250376676843840293487840100916377817"),
        (("Größe", ""), "2.25.219247365244429412949485379547705128982"),
    ],
)
def test_the_derivation_never_changes(given_parts: tuple[str, ...], uid: str):
    assert derive_uid(*given_parts) == uid


@given(parts)
def test_a_derived_uid_is_a_uid_for_pydicom_and_for_us(names: list[str]):
    uid = derive_uid(*names)
    assert is_uid(uid)
    assert UID(uid).is_valid
    assert len(uid) <= 64


@given(parts)
def test_a_derived_uid_is_a_uuid_of_version_8(names: list[str]):
    number = int(derive_uid(*names).removeprefix("2.25."))
    assert number >> 76 & 0xF == 8
    assert number >> 62 & 0b11 == 0b10


@given(parts, parts)
def test_different_parts_give_different_uids(one: list[str], other: list[str]):
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)


def test_moving_a_letter_from_one_part_to_the_next_makes_another_uid():
    assert derive_uid("ab", "c") != derive_uid("a", "bc")
    assert derive_uid("a", "b") != derive_uid("b", "a")


@given(st.from_regex(r"(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){1,5}", fullmatch=True))
def test_numeric_components_without_leading_zeros_are_a_uid(text: str):
    assert is_uid(text)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.", ".1", "1..2", "1.02", "1.2 ", "1.2\n", "1.a", "../1.2", "1/2", "1.2\0", "１.２", "1." + "9" * 63],
)
def test_what_is_no_uid_cannot_become_a_path(text: str):
    assert not is_uid(text)


@given(st.text(max_size=80))
def test_nothing_but_digits_and_dots_passes_for_a_uid(text: str):
    if is_uid(text):
        assert re.fullmatch(r"[0-9.]{3,64}", text)
