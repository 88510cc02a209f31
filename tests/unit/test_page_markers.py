"""What lesions are marked with on the map of a plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.encode.page.markers import markers, says


def test_lesions_of_ours_are_marked_with_the_number_of_their_name_whatever_their_order() -> None:
    names = ["Precentral R", "BM11_BRAINSTEM", "neu links", "BM02_L_OCCIPIT", "BM04_R_FRONTAL"]
    assert markers(names) == {
        "Precentral R": "B", "BM11_BRAINSTEM": "11", "neu links": "C", "BM02_L_OCCIPIT": "2", "BM04_R_FRONTAL": "4",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("names", "made"),
    [
        (["GTV_1", "Met 2", "GTV3"], ["1", "2", "3"]),
        (["GTV_2", "BM02_L_FRONTAL"], ["B", "2"]),
        (["BM02_a", "BM02_b"], ["2", "C"]),
        (["GTV B", "Met C", "2 of 3"], ["D", "E", "G"]),
        (["a 20240115"], ["B"]),
    ],
)
def test_a_number_or_letter_that_another_name_says_is_not_taken(names: list[str], made: list[str]) -> None:
    assert list(markers(names).values()) == made


@given(st.lists(st.text("BM0123 gtv_abcDE", min_size=1, max_size=8), unique=True, max_size=60))
def test_markers_differ_and_no_digit_stands_for_a_name_that_does_not_say_it(names: list[str]) -> None:
    made = markers(names)
    assert len(set(made.values())) == len(names)
    assert all(says(name, marker) for name, marker in made.items() if marker.isdigit())
    assert not {"A", "P", "R", "L", "H", "F"} & set(made.values())
