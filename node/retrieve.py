"""Earlier studies of a patient from a PACS, for as long as a job lasts."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pynetdicom import build_context
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from node.ask import MODEL as FIND
from node.ask import SYNTAXES, asking
from node.association import associate
from node.priors import HEADS, PriorStudy, Wanted, find_priors
from pipeline.core.errors import LedgerUnavailable, Permanent, Retryable
from pipeline.core.patient import Patient, is_same_person, patient_of
from pipeline.core.route import Peer
from pipeline.core.study import Instance, Study, group
from pipeline.core.uid import is_ours

log = logging.getLogger(__name__)

FIND_S = 10.0
"""Seconds for all questions about which studies there are."""

RETRIEVE = {
    "get": {StudyRootQueryRetrieveInformationModelGet: "C-GET"},
    "move": {StudyRootQueryRetrieveInformationModelMove: "C-MOVE"},
}
"""By the value of `retrieve`: the model (PS3.4 C.6.2.3) and its name."""

_TROUBLE = (Retryable, Permanent, OSError)
"""What costs a comparison, and no result."""

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """Earlier studies, the newest first, and what a reader must know about them or about there being none."""

    studies: tuple[Study, ...] = ()
    remarks: tuple[str, ...] = ()


class Retriever(Protocol):
    """A way to get the images of a study that a peer has."""

    def fetch(self, peer: Peer, study: PriorStudy, folder: Path, tick: Tick) -> Mapping[str, tuple[Instance, ...]]:
        """The series that came whole, by Series Instance UID, as files in `folder`.

        tick: called at least every half minute; may raise, which ends the retrieval. Raises PeerUnreachable.
        """


@dataclass(frozen=True, slots=True)
class Library:
    """A PACS that has earlier studies, and how they are got from it."""

    peer: Peer
    retriever: Retriever
    calling_ae: str
    tls: ssl.SSLContext | None = None

    def lacks(self, timeout_s: float) -> tuple[str, ...]:
        """Which of C-FIND and the way of fetching the peer does not offer. Raises PeerUnreachable."""
        wanted = {FIND: "C-FIND", **RETRIEVE[self.peer.retrieve]}
        contexts = [build_context(model, SYNTAXES) for model in wanted]
        with associate(self.peer, contexts, calling_ae=self.calling_ae, timeout_s=timeout_s, tls=self.tls) as (
            association,
            _,
        ):
            offered = {str(c.abstract_syntax) for c in association.accepted_contexts}
        return tuple(name for model, name in wanted.items() if model not in offered)

    def priors(self, study: Study, most: int, folder: Path, tick: Tick, wanted: Wanted = HEADS) -> Fetched:
        """At most `most` earlier studies of the patient of `study`, the newest first, as files in `folder`.

        Whatever the PACS does, this ends, and raises nothing but what `tick` raises, and LedgerUnavailable: without
        earlier studies a remark says why.
        """
        patient = patient_of(study.instances[0])
        if not patient.patient_id:
            return Fetched((), ("Not compared with earlier studies: the images name no Patient ID.",))
        if not patient.study_date:
            return Fetched((), ("Not compared with earlier studies: the images name no Study Date.",))
        try:
            with asking(self.peer, calling_ae=self.calling_ae, timeout_s=FIND_S, tls=self.tls) as asker:
                found = find_priors(asker, patient, most, tick, wanted)
        except _TROUBLE as error:
            self._note(study, error)
            return Fetched((), (self._not_asked,))
        return self._fetch(study, patient, found, folder, tick, wanted)

    def _fetch(
        self,
        study: Study,
        patient: Patient,
        found: tuple[PriorStudy, ...],
        folder: Path,
        tick: Tick,
        wanted: Wanted,
    ) -> Fetched:
        studies: list[Study] = []
        missing, remarks = 0, []
        for number, prior in enumerate(found):
            tick()  # a release and a new association may take most of a job's lease
            try:
                came = self._fetch_one(prior, folder / str(number), tick)
            except _TROUBLE as error:  # the studies that came are whole; the others would meet the same trouble
                self._note(study, error)
                lost = f"{len(found) - number} of {len(found)}"
                some = f"Earlier studies could not be fetched from {self.peer.name!r}: {lost}."
                remarks.append(some if studies else self._not_asked)
                break
            missing += sum(s.series_instance_uid not in came for s in prior.series)
            studies += _usable(patient, came, wanted)
        tick()
        log.info("study %s: %d earlier studies fetched", study.study_instance_uid, len(studies))
        if missing:
            remarks.append(f"Of earlier studies {missing} series could not be fetched whole and were left out.")
        return Fetched(tuple(studies), tuple(remarks))

    @property
    def _not_asked(self) -> str:
        return f"Not compared with earlier studies: the system {self.peer.name!r} could not be asked for them."

    def _fetch_one(self, prior: PriorStudy, place: Path, tick: Tick) -> Mapping[str, tuple[Instance, ...]]:
        place.mkdir(parents=True)
        return self.retriever.fetch(self.peer, prior, place, tick)

    def _note(self, study: Study, error: Exception) -> None:
        if isinstance(error, LedgerUnavailable):
            raise error
        why = error.strerror if isinstance(error, OSError) else error
        log.warning("study %s: no earlier studies: %s", study.study_instance_uid, why)


def _usable(patient: Patient, came: Mapping[str, tuple[Instance, ...]], wanted: Wanted) -> tuple[Study, ...]:
    """The study without objects of others; nothing when any of its images is of another person."""
    kept = [i for instances in came.values() for i in instances if i.modality == wanted.images or _is_our_own(i)]
    studies = group(kept)
    return tuple(s for s in studies if all(is_same_person(patient, patient_of(i)) for i in s.instances))


def _is_our_own(instance: Instance) -> bool:
    return is_ours(instance.sop_instance_uid, instance.series_instance_uid)
