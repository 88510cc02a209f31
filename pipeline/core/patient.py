"""Whose study it is, and which of two studies is the earlier: the one rule for all that is compared over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Header(Protocol):
    """Whatever tells the values of DICOM keywords: an Instance, a Series, a data set."""

    def get(self, keyword: str, /) -> Any:
        """The value, or None."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose study it is, and when it was made. Stays in memory; of peers the PACS alone is told of it.

    birth_date, study_date: YYYYMMDD; study_time: HHMMSS; each is empty where it is not known, as are the others.
    """

    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_instance_uid: str
    study_date: str
    study_time: str


def patient_of(header: Header) -> Patient:
    """Whose image or report this is, from its header (PS3.3 C.7.1.1, C.7.2.1)."""

    def text(keyword: str) -> str:
        return str(header.get(keyword) or "").strip()

    return Patient(
        patient_id=text("PatientID"),
        issuer=text("IssuerOfPatientID"),
        birth_date=digits(text("PatientBirthDate")),
        sex=text("PatientSex"),
        study_instance_uid=text("StudyInstanceUID"),
        study_date=digits(text("StudyDate")),
        study_time=digits(text("StudyTime")),
    )


def is_same_person(patient: Patient, other: Patient) -> bool:
    """The patient ID is known and the same, and issuer, birth date and sex are as far as both sides say them."""
    pairs = ((patient.issuer, other.issuer), (patient.birth_date, other.birth_date), (patient.sex, other.sex))
    same_id = bool(patient.patient_id) and patient.patient_id == other.patient_id
    return same_id and all(ours == theirs for ours, theirs in pairs if ours and theirs)


def is_earlier(study_instance_uid: str, date: str, patient: Patient) -> bool:
    """Whether a study of that date is another one than the patient's, and of an earlier day; both days known.

    A study of the same day, or of an unknown one, is no earlier one: it may be a part of this examination, or later.
    """
    other = study_instance_uid not in ("", patient.study_instance_uid)
    return other and "" < date < patient.study_date


def digits(text: str) -> str:
    """A date or time without the points and colons of old files, and without fractions of a second."""
    whole = text.partition(".")[0] if text.count(".") == 1 else text.replace(".", "")
    return whole.replace(":", "")
