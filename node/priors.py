"""Which earlier studies of the patient a PACS has, and which of their series are worth fetching (C-FIND)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import BreastTomosynthesisImageStorage, SecondaryCaptureImageStorage

from node.ask import Asker, number_of, query, text_of
from pipeline.core.errors import PeerUnreachable
from pipeline.core.patient import Patient, digits, is_earlier, is_same_person
from pipeline.core.study import Instance, Series
from pipeline.imaging.mammogram.image import MAMMOGRAMS, RADIOGRAPHS
from pipeline.imaging.mr_series import MrSeries, Weighting, classify
from pipeline.imaging.values import plain_values

LEAST_IMAGES = 8
"""A series with fewer images shows no head; unless each of them holds many frames, see `_worth_fetching`."""
MOST_IMAGES = 4000
"""Of one study; with more, its series are taken in the order of the PACS's answers as long as they fit."""
MOST_VIEWS = 32
"""Of one series of mammograms; with more it holds slices of a tomosynthesis, each as an image of its own."""
MOST_OBJECTS = 64
"""Of one series that is no image: as many as this program itself ever puts in one."""


OUR_ROOT = "2.25."
"""How the UIDs of our own series begin (`pipeline.core.uid`): objects of others are not worth the way."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is fetched of an earlier study.

    images:  its Modality; objects: modalities of our own objects beside them.
    of_head: only series that may be contrast-enhanced T1 of the head; else all of the modality.
    flat:    views alone, no tomosyntheses: hundreds of MB, of which nothing is read.
    """

    images: str
    objects: tuple[str, ...] = ()
    of_head: bool = False
    flat: bool = False


HEADS = Wanted("MR", ("SEG", "RTSTRUCT", "SR"), of_head=True)
WANTED = {wanted.images: wanted for wanted in (HEADS, Wanted("MG", flat=True))}
"""By the modality that a pipeline names (`pipeline.contract.Follower`)."""


@dataclass(frozen=True, slots=True)
class PriorSeries:
    """A series that a PACS has, and how many instances of it come.

    instances: as the PACS says, None when it does not. only: their SOP Instance UIDs where not all of them are wanted.
    """

    series_instance_uid: str
    modality: str
    instances: int | None
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PriorStudy:
    """An earlier study that a PACS has, and what of it to fetch. `description`: StudyDescription (0008,1030)."""

    study_instance_uid: str
    date: str
    time: str
    series: tuple[PriorSeries, ...] = ()
    description: str = ""


def retrieval(study_instance_uid: str, series: PriorSeries) -> Dataset:
    """The identifier of a C-GET or C-MOVE (PS3.4 C.4.2.1.4) of a series, or of what is wanted of it."""
    uids = {"StudyInstanceUID": study_instance_uid, "SeriesInstanceUID": series.series_instance_uid}
    if series.only:
        return query("IMAGE", **uids, SOPInstanceUID="\\".join(series.only))
    return query("SERIES", **uids)


def find_priors(
    asker: Asker, patient: Patient, most: int, tick: Callable[[], None], wanted: Wanted = HEADS
) -> tuple[PriorStudy, ...]:
    """At most `most` studies of earlier days of a patient with images that are wanted, the newest first.

    A study of the same day, or of an unknown one, is none: it may be a part of this examination, or a later one.
    A study that names another part of the body takes no place of one of the head. A study is left out when birth date,
    sex or issuer of the patient ID are known on both sides and differ: two persons under one number.
    tick: called between questions; may raise. Raises PeerUnreachable.
    """
    if not (patient.patient_id and patient.study_date):
        return ()
    priors: list[PriorStudy] = []
    for study in _earlier(asker, patient, wanted.images):
        if len(priors) == most:
            break
        tick()
        series = tuple(_series(asker, study, wanted))
        if any(s.modality == wanted.images for s in series):
            priors.append(replace(study, series=series))
    return tuple(priors)


def _earlier(asker: Asker, patient: Patient, modality: str) -> list[PriorStudy]:
    keys = {
        "PatientID": patient.patient_id,
        "StudyDate": f"-{patient.study_date}",
        "ModalitiesInStudy": modality,
    }
    told = ("StudyInstanceUID", "StudyTime", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDescription")
    matches = asker.ask("STUDY", **keys, **dict.fromkeys(told, ""))
    studies = {
        text_of(m, "StudyInstanceUID"): PriorStudy(
            study_instance_uid=text_of(m, "StudyInstanceUID"),
            date=digits(text_of(m, "StudyDate")),
            time=digits(text_of(m, "StudyTime")),
            description=text_of(m, "StudyDescription"),
        )
        for m in matches
        if _is_of(m, patient, modality)
    }
    before = [s for s in studies.values() if is_earlier(s.study_instance_uid, s.date, patient)]
    return sorted(before, key=lambda s: (s.date, s.time, s.study_instance_uid), reverse=True)


def _is_of(match: Dataset, patient: Patient, modality: str) -> bool:
    """The same patient's, and with the modality among its modalities, where the PACS tells them."""
    other = replace(
        patient,
        patient_id=text_of(match, "PatientID"),
        issuer=text_of(match, "IssuerOfPatientID"),
        birth_date=digits(text_of(match, "PatientBirthDate")),
        sex=text_of(match, "PatientSex"),
    )
    modalities = text_of(match, "ModalitiesInStudy")
    return is_same_person(patient, other) and (not modalities or modality in modalities.split("\\"))


def _series(asker: Asker, study: PriorStudy, wanted: Wanted) -> Iterator[PriorSeries]:
    told = ("SeriesInstanceUID", "Modality", "SeriesDescription", "ProtocolName", "BodyPartExamined")
    asked = dict.fromkeys((*told, "NumberOfSeriesRelatedInstances"), "")
    answers = asker.ask("SERIES", StudyInstanceUID=study.study_instance_uid, **asked)
    matches = [m for m in answers if _has_uid(m)]
    images = [m for m in matches if text_of(m, "Modality") == wanted.images]
    if wanted.of_head:
        images = _worth_fetching(_promising(images, study))
    chosen = map(_as_series, images)
    room = MOST_IMAGES
    for series in _views_alone(asker, study, chosen) if wanted.flat else chosen:
        if (series.instances or 0) <= room:
            room -= series.instances or 0
            yield series
    for series in (_as_series(m) for m in matches if text_of(m, "Modality") in wanted.objects):
        if (series.instances or 0) <= MOST_OBJECTS and series.series_instance_uid.startswith(OUR_ROOT):
            yield series


def _views_alone(asker: Asker, study: PriorStudy, images: Iterable[PriorSeries]) -> Iterator[PriorSeries]:
    """Without tomosyntheses and whatever else is no view, as far as the PACS tells what it has.

    One object of a class that C-GET does not propose would cost the whole series.
    """
    tells = True
    for series in (s for s in images if (s.instances or 0) <= MOST_VIEWS):
        try:
            there = _instances(asker, study, series) if tells else []
        except PeerUnreachable:  # many know questions about studies and series alone
            tells, there = False, []
        views = tuple(text_of(i, "SOPInstanceUID") for i in there if _may_be_view(i))
        if len(views) == len(there) or not all(views):
            yield series
        elif views:
            yield replace(series, instances=len(views), only=views)


def _instances(asker: Asker, study: PriorStudy, series: PriorSeries) -> list[Dataset]:
    uids = {"StudyInstanceUID": study.study_instance_uid, "SeriesInstanceUID": series.series_instance_uid}
    return asker.ask("IMAGE", **uids, **dict.fromkeys(("SOPInstanceUID", "SOPClassUID", "NumberOfFrames"), ""))


def _may_be_view(instance: Dataset) -> bool:
    """Of a class that views have, or of none that is told; of the class of tomosynthesis synthetic views, one frame."""
    sop_class = text_of(instance, "SOPClassUID")
    if sop_class == BreastTomosynthesisImageStorage:
        return number_of(instance, "NumberOfFrames") == 1
    return sop_class in ("", SecondaryCaptureImageStorage, *MAMMOGRAMS, *RADIOGRAPHS)


def _promising(images: list[Dataset], study: PriorStudy) -> list[Dataset]:
    """Series of the head that their words call T1-weighted, or nothing at all; others when there are none of these.

    Words mislead, and so choose only among what is there. The headers, which the PACS does not tell, decide later.
    """
    known = [(m, _about(m, study)) for m in images]
    of_head = [(m, about) for m, about in known if not about.localizer and about.body_part in ("", "head")]
    first = [m for m, about in of_head if _may_be_t1(about)]
    return first or [m for m, _ in of_head]


def _about(match: Dataset, study: PriorStudy) -> MrSeries:
    """What a series is, as far as the words of a C-FIND answer say."""
    uid = text_of(match, "SeriesInstanceUID")
    header = plain_values(match) | {"StudyDescription": study.description}
    image = Instance("", "", uid, study.study_instance_uid, "", HEADS.images, Path(), header=header)
    return classify(Series(uid, (image,)))


def _may_be_t1(about: MrSeries) -> bool:
    return about.weighting in (Weighting.T1, Weighting.UNKNOWN) and not (about.subtraction or about.projection)


def _worth_fetching(images: list[Dataset]) -> list[Dataset]:
    """Without the series of a few images, unless there are no others: then each image may hold many frames.

    A series of one image stays: it costs no more than that image, which may be an Enhanced MR volume.
    """
    counted = [(m, number_of(m, "NumberOfSeriesRelatedInstances")) for m in images]
    enough = [m for m, count in counted if count is None or count >= LEAST_IMAGES]
    single = [m for m, count in counted if count == 1]
    return [*enough, *single] if enough else images


def _as_series(match: Dataset) -> PriorSeries:
    uid, modality = text_of(match, "SeriesInstanceUID"), text_of(match, "Modality")
    return PriorSeries(uid, modality, number_of(match, "NumberOfSeriesRelatedInstances"))


def _has_uid(match: Dataset) -> bool:
    return text_of(match, "SeriesInstanceUID") != ""
