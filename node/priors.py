"""Which earlier studies of the patient a PACS has, and which of their series are worth fetching (C-FIND)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from node.ask import Asker, number_of, text_of
from pipeline.core.study import Instance
from pipeline.imaging.mr_words import LOCALIZER, found, plain_text

IMAGES, OBJECTS = "MR", ("SEG", "RTSTRUCT", "SR")

LEAST_IMAGES = 8
"""A series with fewer images shows no head; unless each of them holds many frames, see `_worth_fetching`."""
MOST_IMAGES = 4000
"""Of one study; with more, its series are taken in the order of the PACS's answers as long as they fit."""
MOST_OBJECTS = 64
"""Of one series that is no image: as many as this program itself ever puts in one."""


OUR_ROOT = "2.25."
"""How the UIDs of our own series begin (`pipeline.core.uid`): objects of others are not worth the way."""


@dataclass(frozen=True, slots=True)
class Patient:
    """Whose earlier studies are wanted, and before which study. Stays in memory, and goes to the PACS alone.

    study_date, study_time: YYYYMMDD and HHMMSS, or empty.
    """

    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_instance_uid: str
    study_date: str
    study_time: str


@dataclass(frozen=True, slots=True)
class PriorSeries:
    """A series that a PACS has; `instances` as it says, None when it does not."""

    series_instance_uid: str
    modality: str
    instances: int | None


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study that a PACS has, and what of it to fetch."""

    study_instance_uid: str
    date: str
    time: str
    series: tuple[PriorSeries, ...] = ()


def patient_of(instance: Instance) -> Patient:
    """Whose image this is, from its header."""

    def text(keyword: str) -> str:
        return str(instance.get(keyword) or "").strip()

    return Patient(
        patient_id=text("PatientID"),
        issuer=text("IssuerOfPatientID"),
        birth_date=_digits(text("PatientBirthDate")),
        sex=text("PatientSex"),
        study_instance_uid=instance.study_instance_uid,
        study_date=_digits(text("StudyDate")),
        study_time=_digits(text("StudyTime")),
    )


def is_same_person(patient: Patient, other: Patient) -> bool:
    """The patient ID is the same, and issuer, birth date and sex are as far as both sides say them."""
    pairs = ((patient.issuer, other.issuer), (patient.birth_date, other.birth_date), (patient.sex, other.sex))
    return patient.patient_id == other.patient_id and all(ours == theirs for ours, theirs in pairs if ours and theirs)


def find_priors(asker: Asker, patient: Patient, most: int, tick: Callable[[], None]) -> tuple[PriorStudy, ...]:
    """At most `most` earlier MR studies of a patient with something to fetch, the newest first.

    A study is left out when birth date, sex or issuer of the patient ID are known on both sides and differ: two
    persons under one number. tick: called between questions; may raise. Raises PeerUnreachable.
    """
    if not patient.patient_id:
        return ()
    priors: list[PriorStudy] = []
    for study in _earlier(asker, patient):
        if len(priors) == most:
            break
        tick()
        series = tuple(_series(asker, study.study_instance_uid))
        if any(s.modality == IMAGES for s in series):
            priors.append(replace(study, series=series))
    return tuple(priors)


def _earlier(asker: Asker, patient: Patient) -> list[PriorStudy]:
    keys = {
        "PatientID": patient.patient_id,
        "StudyDate": f"-{patient.study_date}" if patient.study_date else "",
        "ModalitiesInStudy": IMAGES,
    }
    told = ("StudyInstanceUID", "StudyTime", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
    matches = asker.ask("STUDY", **keys, **dict.fromkeys(told, ""))
    studies = {
        text_of(m, "StudyInstanceUID"): PriorStudy(
            text_of(m, "StudyInstanceUID"), _digits(text_of(m, "StudyDate")), _digits(text_of(m, "StudyTime"))
        )
        for m in matches
        if _is_of(m, patient)
    }
    before = [s for s in studies.values() if _is_before(s, patient)]
    return sorted(before, key=lambda s: (s.date, s.time, s.study_instance_uid), reverse=True)


def _is_of(match: Dataset, patient: Patient) -> bool:
    """The same patient's, and with MR among its modalities, where the PACS tells them."""
    other = replace(
        patient,
        patient_id=text_of(match, "PatientID"),
        issuer=text_of(match, "IssuerOfPatientID"),
        birth_date=_digits(text_of(match, "PatientBirthDate")),
        sex=text_of(match, "PatientSex"),
    )
    modalities = text_of(match, "ModalitiesInStudy")
    return is_same_person(patient, other) and (not modalities or IMAGES in modalities.split("\\"))


def _is_before(study: PriorStudy, patient: Patient) -> bool:
    """Another study, and not known to be later."""
    if study.study_instance_uid in ("", patient.study_instance_uid):
        return False
    if not (study.date and patient.study_date):
        return True
    if study.date == patient.study_date and study.time and patient.study_time:
        return study.time <= patient.study_time
    return study.date <= patient.study_date


def _series(asker: Asker, study: str) -> Iterator[PriorSeries]:
    told = ("SeriesInstanceUID", "Modality", "SeriesDescription", "NumberOfSeriesRelatedInstances")
    matches = [m for m in asker.ask("SERIES", StudyInstanceUID=study, **dict.fromkeys(told, "")) if _has_uid(m)]
    images = [m for m in matches if text_of(m, "Modality") == IMAGES and not _is_localizer(m)]
    room = MOST_IMAGES
    for series in (_as_series(m) for m in _worth_fetching(images)):
        if (series.instances or 0) <= room:
            room -= series.instances or 0
            yield series
    for series in (_as_series(m) for m in matches if text_of(m, "Modality") in OBJECTS):
        if (series.instances or 0) <= MOST_OBJECTS and series.series_instance_uid.startswith(OUR_ROOT):
            yield series


def _worth_fetching(images: list[Dataset]) -> list[Dataset]:
    """Without the series of a few images, unless there are no others: then each image may hold many frames.

    A series of one image stays: it costs no more than that image, which may be an Enhanced MR volume.
    """
    counted = [(m, number_of(m, "NumberOfSeriesRelatedInstances")) for m in images]
    enough = [m for m, count in counted if count is None or count >= LEAST_IMAGES]
    single = [m for m, count in counted if count == 1]
    return [*enough, *single] if enough else images


def _is_localizer(match: Dataset) -> bool:
    return bool(found(LOCALIZER, plain_text(text_of(match, "SeriesDescription"))))


def _as_series(match: Dataset) -> PriorSeries:
    uid, modality = text_of(match, "SeriesInstanceUID"), text_of(match, "Modality")
    return PriorSeries(uid, modality, number_of(match, "NumberOfSeriesRelatedInstances"))


def _has_uid(match: Dataset) -> bool:
    return text_of(match, "SeriesInstanceUID") != ""


def _digits(text: str) -> str:
    """A date or time without the points and colons of old files, and without fractions of a second."""
    whole = text.partition(".")[0] if text.count(".") == 1 else text.replace(".", "")
    return whole.replace(":", "")
