"""Who is the same person, and which study is the earlier."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom import Dataset

from pipeline.core.patient import Patient, is_earlier, is_same_person, patient_of

SOMEBODY = Patient("P1", "H", "19500102", "F", "1.2.3", "20260301", "101500")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({}, True),
        ({"study_instance_uid": "1.2.4", "study_date": "20200101"}, True),
        ({"issuer": "", "birth_date": "", "sex": ""}, True),
        ({"patient_id": "P2"}, False),
        ({"issuer": "OTHER"}, False),
        ({"birth_date": "19500103"}, False),
        ({"sex": "M"}, False),
        ({"patient_id": ""}, False),
    ],
)
def test_one_number_and_nothing_that_speaks_against_it_is_one_person(other: dict[str, str], same: bool) -> None:
    assert is_same_person(SOMEBODY, replace(SOMEBODY, **other)) is same
    assert is_same_person(replace(SOMEBODY, **other), SOMEBODY) is same


def test_two_without_a_number_are_two_persons() -> None:
    nobody = replace(SOMEBODY, patient_id="")
    assert not is_same_person(nobody, nobody)


@pytest.mark.parametrize(
    ("uid", "date", "earlier"),
    [
        ("1.2.4", "20260228", True),
        ("1.2.4", "20260301", False),
        ("1.2.4", "20260302", False),
        ("1.2.4", "", False),
        ("1.2.3", "20260228", False),
        ("", "20260228", False),
    ],
)
def test_earlier_is_another_study_of_an_earlier_day(uid: str, date: str, earlier: bool) -> None:
    assert is_earlier(uid, date, SOMEBODY) is earlier


def test_without_a_day_of_its_own_a_study_has_no_earlier_one() -> None:
    assert not is_earlier("1.2.4", "20260228", replace(SOMEBODY, study_date=""))


def test_a_header_is_read_in_the_ways_of_old_files_too() -> None:
    ds = Dataset()
    ds.PatientID, ds.PatientSex, ds.StudyDate, ds.StudyTime = " P1 ", "F", "20260301", "101500.25"
    assert patient_of(ds) == Patient("P1", "", "", "F", "", "20260301", "101500")
