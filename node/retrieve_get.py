"""C-GET as an SCU (PS3.4 C.4.3): the peer sends the images back on the association that asked for them."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import build_context
from pynetdicom import sop_class as sop
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from node.ask import SYNTAXES
from node.association import GRACE_S, Watch, associate
from node.priors import MOST_IMAGES, PriorSeries, PriorStudy, retrieval
from node.receive.spool import Spool, SpoolingDimse
from node.status import NOT_AS_ANNOUNCED, OUT_OF_RESOURCES, SUCCESS
from node.syntaxes import SAMPLES, decodes
from pipeline.core.errors import HeaderUnusable, PeerUnreachable
from pipeline.core.route import Peer
from pipeline.core.study import Instance
from pipeline.imaging.header import read_header

log = logging.getLogger(__name__)

MODEL = sop.StudyRootQueryRetrieveInformationModelGet
SILENCE_S = 30.0
"""Seconds without an image or a sign after which a PACS is given up; shorter than a job's lease."""
LONGEST_S = 900.0
"""Seconds that all series of a study may take together."""

WITH_PIXELS = (
    sop.MRImageStorage,
    sop.EnhancedMRImageStorage,
    sop.LegacyConvertedEnhancedMRImageStorage,
    sop.SegmentationStorage,
    sop.DigitalMammographyXRayImageStorageForPresentation,
    sop.DigitalMammographyXRayImageStorageForProcessing,
    sop.BreastTomosynthesisImageStorage,  # of synthetic views; see `node.priors`
)
AS_THEY_ARE = (
    sop.ComputedRadiographyImageStorage,
    sop.DigitalXRayImageStorageForPresentation,
    sop.DigitalXRayImageStorageForProcessing,
    sop.SecondaryCaptureImageStorage,
    sop.RTStructureSetStorage,
    sop.EnhancedSRStorage,
    sop.ComprehensiveSRStorage,
    sop.Comprehensive3DSRStorage,
    sop.MammographyCADSRStorage,
)
"""Uncompressed alone: scans of films, and objects without pixels. An association has room for 128 contexts."""

STORED = (*WITH_PIXELS, *AS_THEY_ARE)
"""What may come back on the association: for these the node offers to be the SCP (PS3.7 D.3.3.4)."""


class CGet:
    """Fetches studies by C-GET, one association a study.

    require_room: raises DiskFull when the file system may take no more.
    """

    def __init__(
        self,
        calling_ae: str,
        tls: ssl.SSLContext | None,
        require_room: Callable[[], None],
        *,
        silence_s: float = SILENCE_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._calling_ae, self._tls, self._require_room = calling_ae, tls, require_room
        self._silence_s, self._longest_s = silence_s, longest_s

    def fetch(
        self, peer: Peer, study: PriorStudy, folder: Path, tick: Callable[[], None]
    ) -> Mapping[str, tuple[Instance, ...]]:
        """The series of a study that came whole, as files in `folder`. Raises PeerUnreachable, and what tick raises."""
        shelf = _Shelf(study.study_instance_uid, folder, self._require_room, tick, self._silence_s)
        opened = associate(
            peer, contexts(), calling_ae=self._calling_ae, timeout_s=self._silence_s, tls=self._tls, storing=shelf
        )
        with opened as (association, watch):
            if not any(c.abstract_syntax == MODEL for c in association.accepted_contexts):
                hint = 'set retrieve = "move" of the peer'
                raise PeerUnreachable(f"{peer.name} does not offer C-GET (Study Root)", hint)
            conversation = _Conversation(peer, association, watch, shelf, time.monotonic() + self._longest_s)
            came = {s.series_instance_uid: conversation.get(study.study_instance_uid, s) for s in study.series}
        return {uid: instances for uid, instances in came.items() if instances}


class _Shelf:
    """Takes what the peer sends on one association, file by file, and keeps what was asked for.

    What goes wrong in here is remembered: pynetdicom would turn it into a status and go on.
    """

    sop_classes: Sequence[str] = STORED

    def __init__(
        self,
        study_instance_uid: str,
        folder: Path,
        require_room: Callable[[], None],
        tick: Callable[[], None],
        silence_s: float,
    ) -> None:
        self._study, self._folder, self._require_room, self._tick = study_instance_uid, folder, require_room, tick
        self.silence_s = silence_s
        self.watch: Watch | None = None
        self.wanted = ""
        self.until = 0.0
        self.instances: dict[str, Instance] = {}
        self.trouble: BaseException | None = None
        self._kept = 0

    def expect(self, series_instance_uid: str, watch: Watch, until: float) -> None:
        """From now on the images of this series come, until then at the latest (monotonic seconds)."""
        self.wanted, self.watch, self.until, self.instances = series_instance_uid, watch, until, {}
        self._go_on()

    def on_open(self, event: Any) -> None:
        """Handler of EVT_CONN_OPEN: data sets go to files as they arrive."""
        event.assoc.dimse = SpoolingDimse(event.assoc, self._folder, self._require_room)

    def on_c_store(self, event: Any) -> int:
        """Handler of EVT_C_STORE."""
        data_set = event.request.DataSet
        try:
            self._go_on()
            return self._keep(data_set) if isinstance(data_set, Spool) else NOT_AS_ANNOUNCED
        except HeaderUnusable:
            return NOT_AS_ANNOUNCED
        except BaseException as error:  # noqa: BLE001  # raised again by whoever asked for the series
            self.trouble = error
            if self.watch:
                self.watch.allow(-GRACE_S)  # the peer has more to send, and nobody wants it
            return OUT_OF_RESOURCES
        finally:
            if isinstance(data_set, Spool):
                data_set.discard()

    def _keep(self, data_set: Spool) -> int:
        received = data_set.finish()
        found = read_header(received)
        uids = (found.study_instance_uid, found.series_instance_uid)
        if uids != (self._study, self.wanted) or len(self.instances) >= MOST_IMAGES:
            return NOT_AS_ANNOUNCED
        self._kept += 1
        path = self._folder / f"{self._kept:05d}.dcm"
        received.rename(path)
        self.instances[found.sop_instance_uid] = read_header(path)
        return SUCCESS

    def alive(self) -> None:
        """Say that the job lives."""
        self._tick()

    def _go_on(self) -> None:
        """Say that the job lives, and give the peer time for the next image."""
        self._tick()
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise PeerUnreachable("the earlier study did not come in time")
        if self.watch:
            self.watch.allow(min(self.silence_s, left_s))


class _Conversation:
    """C-GET of series after series over one open association."""

    def __init__(self, peer: Peer, association: Association, watch: Watch, shelf: _Shelf, until: float) -> None:
        self._peer, self._association, self._watch = peer, association, watch
        self._shelf, self._until = shelf, until

    def get(self, study_instance_uid: str, series: PriorSeries) -> tuple[Instance, ...]:
        """The images of a series; empty when not all of them came. Raises PeerUnreachable, and what a tick raised."""
        self._shelf.expect(series.series_instance_uid, self._watch, self._until)
        self._association.dimse_timeout = self._shelf.silence_s
        last = self._last_status(retrieval(study_instance_uid, series))
        self._shelf.alive()  # the peer may have been silent since its last image, and the release is to come
        came = tuple(self._shelf.instances.values())
        if last.Status != SUCCESS or len(came) < (series.instances or 1):
            log.warning("series %s: 0x%04X, %d images came", series.series_instance_uid, last.Status, len(came))
            return ()
        return came

    def _last_status(self, asked: Dataset) -> Dataset:
        last = Dataset()
        try:
            for status, _ in self._association.send_c_get(asked, MODEL):
                last = status
        except (RuntimeError, ValueError) as error:
            raise self._shelf.trouble or PeerUnreachable(f"{self._peer.name} does not answer C-GET: {error}") from error
        if self._shelf.trouble:
            raise self._shelf.trouble
        if "Status" not in last:
            raise PeerUnreachable(f"{self._peer.name} stopped in the middle of a C-GET")
        return last


def contexts() -> list[PresentationContext]:
    """One context per SOP Class and transfer syntax: the peer sends what it has as it has it, if we can read it."""
    readable = [*SYNTAXES, *(uid for uid in SAMPLES if decodes(uid))]
    pairs = [(c, s) for c in WITH_PIXELS for s in readable] + [(c, s) for c in AS_THEY_ARE for s in SYNTAXES]
    return [build_context(MODEL, SYNTAXES), *(build_context(c, s) for c, s in pairs)]
