"""Asking a PACS by C-FIND how many images a study has (PS3.4 C.4.1, Study Root)."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind

from node.association import Watch, associate
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Peer

MODEL = StudyRootQueryRetrieveInformationModelFind
PENDING = (0xFF00, 0xFF01)


class _Asker:
    """C-FIND over one open association, all questions within one time limit."""

    def __init__(self, peer: Peer, association: Association, watch: Watch, timeout_s: float) -> None:
        self._peer, self._association, self._watch = peer, association, watch
        self._until = time.monotonic() + timeout_s

    def ask(self, level: str, **keys: str) -> list[Dataset]:
        """The matches at `level`; empty values ask for the attribute. Raises PeerUnreachable unless all came."""
        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword, value in keys.items():
            setattr(query, keyword, value)
        return list(self._answers(query, keys["StudyInstanceUID"]))

    def _answers(self, query: Dataset, study_instance_uid: str) -> Iterator[Dataset]:
        left_s = max(0.1, self._until - time.monotonic())
        self._association.dimse_timeout = left_s
        self._watch.allow(left_s)
        try:
            for status, match in self._association.send_c_find(query, MODEL):
                if self._is_last(status):
                    return
                # Some systems ignore a key that they do not index, and answer with everything they have.
                if match is not None and _text(match, "StudyInstanceUID") in ("", study_instance_uid):
                    yield match
        except (RuntimeError, ValueError) as error:  # the association is gone; the model was not accepted
            raise PeerUnreachable(f"{self._peer.name} does not answer C-FIND: {error}") from error
        raise PeerUnreachable(f"{self._peer.name} stopped in the middle of its C-FIND answers")

    def _is_last(self, status: Dataset) -> bool:
        if "Status" not in status:
            raise PeerUnreachable(f"{self._peer.name} did not answer C-FIND in time")
        if status.Status in PENDING:
            if time.monotonic() > self._until:
                raise PeerUnreachable(f"{self._peer.name} did not finish its C-FIND answers in time")
            return False
        if status.Status != 0x0000:
            hint = "may this node query it? Register our AE title for C-FIND there"
            raise PeerUnreachable(f"{self._peer.name} answered C-FIND with 0x{status.Status:04X}", hint)
        return True


def count_instances(
    peer: Peer,
    study_instance_uid: str,
    *,
    calling_ae: str,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> int | None:
    """How many instances of a study `peer` holds; None when it knows no such study.

    Asked in the order of cost: NumberOfStudyRelatedInstances, the sum of NumberOfSeriesRelatedInstances (both are
    optional keys, PS3.4 C.6.2.1.2 and C.6.2.1.3), and, where the peer has neither, the images themselves.
    timeout_s bounds opening the association and all answers together, each. Raises PeerUnreachable whenever there is
    no answer to be trusted: no association, silence, a failure status.
    """
    contexts = [build_context(MODEL, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])]
    with associate(peer, contexts, calling_ae=calling_ae, timeout_s=timeout_s, tls=tls) as (association, watch):
        if not association.accepted_contexts:
            raise PeerUnreachable(f"{peer.name} does not offer C-FIND (Study Root)", "remove verify_with of the route")
        return _count(_Asker(peer, association, watch, timeout_s), study_instance_uid)


def _count(asker: _Asker, study: str) -> int | None:
    studies = asker.ask("STUDY", StudyInstanceUID=study, NumberOfStudyRelatedInstances="")
    if not studies:
        return None
    counts = [_number(s, "NumberOfStudyRelatedInstances") for s in studies]
    known = [c for c in counts if c is not None]
    return max(known) if known else _count_by_series(asker, study)


def _count_by_series(asker: _Asker, study: str) -> int:
    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": "", "NumberOfSeriesRelatedInstances": ""}
    counts = {
        _text(s, "SeriesInstanceUID"): _number(s, "NumberOfSeriesRelatedInstances")
        for s in asker.ask("SERIES", **asked)
    }
    return sum(_count_images(asker, study, series) if count is None else count for series, count in counts.items())


def _count_images(asker: _Asker, study: str, series: str) -> int:
    asked = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": ""}
    return len({_text(i, "SOPInstanceUID") for i in asker.ask("IMAGE", **asked)})


def _text(match: Dataset, keyword: str) -> str:
    value: Any = match.get(keyword)
    return "" if value is None else str(value).strip()


def _number(match: Dataset, keyword: str) -> int | None:
    text = _text(match, keyword)
    return int(text) if text.isdecimal() else None
