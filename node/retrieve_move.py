"""C-MOVE as an SCU (PS3.4 C.4.2): the peer sends the images to this node's own receiver, where they open no job."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import time
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path

from pydicom.dataset import Dataset
from pynetdicom import build_context
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove

from node.ask import SYNTAXES
from node.association import Watch, associate
from node.priors import PriorStudy, retrieval
from node.status import SUCCESS
from pipeline.core.errors import HeaderUnusable, PeerUnreachable
from pipeline.core.route import PRIORS, Peer
from pipeline.core.study import Instance, group
from pipeline.imaging.header import read_header
from storage import Archive, Ledger

log = logging.getLogger(__name__)

MODEL = StudyRootQueryRetrieveInformationModelMove
SILENCE_S = 45.0
"""Seconds without a word after which a PACS is given up: some say nothing until a series is sent. A job's lease is
longer."""
LONGEST_S = 900.0
"""Seconds that all series of a study may take together."""
MOVE_DESTINATION_UNKNOWN = 0xA801
LATE_S = 60.0
"""Seconds after a retrieval in which whatever still comes belongs to it, and opens no job."""
ARRIVE_S = 10.0
"""Seconds that images may still be on their way when the PACS says that all are sent."""


class CMove:
    """Fetches studies by C-MOVE to this node, whose receive process must be running.

    What arrives is kept in the archive like everything that is received, and forgotten after its time.
    """

    def __init__(
        self,
        calling_ae: str,
        tls: ssl.SSLContext | None,
        archive: Archive,
        ledger: Ledger,
        *,
        silence_s: float = SILENCE_S,
        longest_s: float = LONGEST_S,
        arrive_s: float = ARRIVE_S,
    ) -> None:
        self._calling_ae, self._tls, self._archive, self._ledger = calling_ae, tls, archive, ledger
        self._silence_s, self._longest_s, self._arrive_s = silence_s, longest_s, arrive_s

    def fetch(
        self, peer: Peer, study: PriorStudy, folder: Path, tick: Callable[[], None]
    ) -> Mapping[str, tuple[Instance, ...]]:
        """The series of a study that came whole, as files in `folder`. Raises PeerUnreachable, and what tick raises."""
        contexts = [build_context(MODEL, SYNTAXES)]
        until = time.monotonic() + self._longest_s
        opened = associate(peer, contexts, calling_ae=self._calling_ae, timeout_s=self._silence_s, tls=self._tls)
        sent: dict[str, int] = {}
        # After a retrieval that failed the PACS may go on sending: those images are no work either.
        self._expect(study, self._longest_s + LATE_S)
        with opened as (association, watch):
            if not association.accepted_contexts:
                raise PeerUnreachable(f"{peer.name} does not offer C-MOVE (Study Root)", 'set retrieve = "get"')
            for series in study.series:
                asked = retrieval(study.study_instance_uid, series)
                last = self._last_status(peer, association, watch, asked, until, tick)
                if last.Status == SUCCESS:
                    completed = last.get("NumberOfCompletedSuboperations") or 1
                    sent[series.series_instance_uid] = max(series.instances or 0, completed)
                else:
                    log.warning("series %s: C-MOVE ended with 0x%04X", series.series_instance_uid, last.Status)
        came = self._arrived(study.study_instance_uid, sent, folder, tick)
        self._expect(study, LATE_S)
        return came

    def _expect(self, study: PriorStudy, seconds: float) -> None:
        self._ledger.expect(study.study_instance_uid, seconds)

    def _last_status(
        self, peer: Peer, association: Association, watch: Watch, asked: Dataset, until: float, tick: Callable[[], None]
    ) -> Dataset:
        last = Dataset()
        try:
            self._allow(association, watch, tick)
            for status, _ in association.send_c_move(asked, self._calling_ae, MODEL):
                self._allow(association, watch, tick)
                if time.monotonic() > until:
                    raise PeerUnreachable(f"{peer.name} did not send the earlier study in time")
                last = status
        except (RuntimeError, ValueError) as error:
            raise PeerUnreachable(f"{peer.name} does not answer C-MOVE: {error}") from error
        if "Status" not in last:
            raise PeerUnreachable(f"{peer.name} stopped in the middle of a C-MOVE")
        if last.Status == MOVE_DESTINATION_UNKNOWN:
            hint = f"register the AE title {self._calling_ae!r} with this node's host and port there"
            raise PeerUnreachable(f"{peer.name} does not know where to send to", hint)
        return last

    def _allow(self, association: Association, watch: Watch, tick: Callable[[], None]) -> None:
        """Say that the job lives, and give the peer time for its next word."""
        tick()
        association.dimse_timeout = self._silence_s
        watch.allow(self._silence_s)

    def _arrived(
        self, study_instance_uid: str, sent: Mapping[str, int], folder: Path, tick: Callable[[], None]
    ) -> dict[str, tuple[Instance, ...]]:
        """What the receiver has entered in the ledger, once it is all that was sent, or after a while."""
        until = time.monotonic() + self._arrive_s
        while not self._all_here(study_instance_uid, sent) and time.monotonic() < until:
            tick()
            time.sleep(0.2)
        files = self._ledger.instance_files(study_instance_uid, PRIORS)
        taken = [self._taken(path, sha256, folder / f"{n:05d}.dcm") for n, (path, sha256) in enumerate(files)]
        came = {s.series_instance_uid: s.instances for study in group(list(chain(*taken))) for s in study.series}
        return {uid: came[uid] for uid, count in sent.items() if len(came.get(uid, ())) >= count}

    def _all_here(self, study_instance_uid: str, sent: Mapping[str, int]) -> bool:
        here = self._ledger.series_counts(study_instance_uid, PRIORS)
        return all(here.get(uid, 0) >= count for uid, count in sent.items())

    def _taken(self, path: str, sha256: str, place: Path) -> list[Instance]:
        """A file of the archive under a name of this job's own, so that cleaning cannot take it away meanwhile."""
        try:
            _link_or_copy(self._archive.absolute(path), place)
            return [read_header(place, sha256)]
        except (FileNotFoundError, HeaderUnusable):
            return []


def _link_or_copy(file: Path, place: Path) -> None:
    try:
        os.link(file, place)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(file, place)
