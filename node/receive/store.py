"""C-STORE as an SCP (PS3.4 B.2): the sender is answered 0x0000 once its object is durable, and not before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydicom import Dataset

from node.receive.doors import plain_address
from node.receive.edited import give_own_uid
from node.receive.same import same_content, same_drawing
from node.receive.spool import Spool
from node.status import SUCCESS, NotAsAnnounced, comment_of, refusal_of
from pipeline.core.clock import utc_now
from pipeline.core.errors import HeaderUnusable, LanternError, place_of
from pipeline.core.route import PRIORS
from pipeline.core.study import Added, Association, Instance
from pipeline.core.uid import is_ours
from pipeline.imaging.header import read_header
from storage.archive import Archive, Stored
from storage.ledger import Ledger

log = logging.getLogger(__name__)

OnStored = Callable[[Instance, Added], None]

_KEPT_ASIDE = (
    "came again with other content, or is a result of ours that is no longer kept to compare it with: kept aside, and "
    "nothing is done with it; whoever changed it should save it under a new SOP Instance UID and send that"
)


_OF_ANOTHER = (
    "was made by another node, or before this ledger: it is taken as unchanged; whoever changed it should save it "
    "under a new SOP Instance UID and send that"
)


class Store:
    """What happens to each C-STORE request.

    own_titles: the node's AE titles; what a C-MOVE of one of them brings is an earlier study, and no work, as long as
    the ledger expects that study.
    """

    def __init__(
        self, archive: Archive, ledger: Ledger, on_stored: OnStored | None, own_titles: frozenset[str] = frozenset()
    ) -> None:
        self._archive, self._ledger, self._on_stored = archive, ledger, on_stored
        self._own_titles = own_titles

    def on_c_store(self, event: Any) -> Dataset:
        """Handler of pynetdicom's EVT_C_STORE; returns the status and, for a refusal, an Error Comment."""
        data_set = event.request.DataSet
        try:
            instance, added = self._keep(event, data_set)
        except Exception as error:  # noqa: BLE001  # a process edge: whatever it was, the sender gets an answer
            return self._refused(event, error)
        finally:
            if isinstance(data_set, Spool):
                data_set.discard()
        self._tell(instance, added)
        return _answer(SUCCESS)

    def _keep(self, event: Any, data_set: Any) -> tuple[Instance, Added]:
        if not isinstance(data_set, Spool):
            raise HeaderUnusable("a C-STORE request without a data set")
        path = data_set.finish()
        instance = read_header(path)
        _require_announced(event.request, instance)
        sent = self._addressed(event, instance)
        instance, same_as = (instance, "") if sent.called_ae == PRIORS else self._beside_ours(instance, path)
        stored = self._archive.adopt(path)
        instance = replace(instance, path=self._archive.absolute(stored.path), sha256=stored.sha256)
        same_as = same_as or self._known_twin(instance, stored)
        with self._archive.keeping(stored.path):
            added = self._ledger.add_instance(instance, stored.path, sent, stored.size_bytes, same_as=same_as)
        return instance, added

    def _addressed(self, event: Any, instance: Instance) -> Association:
        """Who sent it, and to whom: to PRIORS, where no route listens, when we asked for it ourselves (C-MOVE)."""
        sent = association_of(event.assoc)
        originator = (event.request.MoveOriginatorApplicationEntityTitle or "").strip()
        asked = originator in self._own_titles and self._ledger.expects(instance.study_instance_uid)
        return replace(sent, called_ae=PRIORS) if asked else sent

    def _beside_ours(self, instance: Instance, path: Path) -> tuple[Instance, str]:
        """What an object counts as that may be a result of ours, and the hash of what it is a copy of, if any."""
        own = self._ledger.own_drawing(instance.sop_instance_uid)
        if own is None and instance.modality in ("SEG", "RTSTRUCT") and is_ours(*_uids(instance)):
            log.warning("instance %s %s", instance.sop_instance_uid, _OF_ANOTHER)
        if own is None or not own.path or not self._archive.absolute(own.path).is_file():
            return instance, ""
        if same_drawing(self._archive.absolute(own.path), path):
            return instance, own.sha256
        edited = self._edited(path, instance)
        before = self._ledger.known(edited.sop_instance_uid)  # of a UID made from the content: the same edit
        return edited, before.sha256 if before else ""

    def _edited(self, path: Path, instance: Instance) -> Instance:
        """A result of ours that came back changed, under a UID of its own: a correction like any other."""
        give_own_uid(path, utc_now())
        edited = read_header(path)
        log.warning(
            "instance %s was made here and came back changed: taken as a correction, as instance %s; its editor should "
            "save changes under a new SOP Instance UID",
            instance.sop_instance_uid,
            edited.sop_instance_uid,
        )
        return edited

    def _known_twin(self, instance: Instance, stored: Stored) -> str:
        """The hash of the instance the ledger has under this UID, when it holds the same in other bytes."""
        known = self._ledger.known(instance.sop_instance_uid)
        if known is None or known.sha256 == stored.sha256:
            return ""
        return known.sha256 if same_content(self._archive.absolute(known.path), instance.path) else ""

    def _tell(self, instance: Instance, added: Added) -> None:
        if added is Added.CONFLICT:
            uid = instance.sop_instance_uid
            log.warning("instance %s %s", uid, _KEPT_ASIDE)
        if self._on_stored is None:
            return
        try:
            self._on_stored(instance, added)
        except Exception:  # the object is durable: a listener's trouble must not make the sender send it again
            log.exception("instance %s is stored, but what follows it failed", instance.sop_instance_uid)

    def _refused(self, event: Any, error: Exception) -> Dataset:
        refusal = refusal_of(error)
        said = str(error) if isinstance(error, LanternError) else place_of(error)
        uid = event.request.AffectedSOPInstanceUID
        log.log(refusal.level, "instance %s refused with 0x%04X: %s", uid, refusal.status, said)
        return _answer(refusal.status, comment_of(error))


def association_of(assoc: Any) -> Association:
    """Who is at the other end of a pynetdicom association, once the request is in."""
    request = assoc.requestor.primitive
    return Association(
        calling_ae=request.calling_ae_title.strip(),
        called_ae=request.called_ae_title.strip(),
        peer_ip=plain_address(assoc.requestor.address),
    )


def _uids(instance: Instance) -> tuple[str, str]:
    return instance.sop_instance_uid, instance.series_instance_uid


def _require_announced(command: Any, instance: Instance) -> None:
    if instance.sop_class_uid != command.AffectedSOPClassUID:
        raise NotAsAnnounced("SOP Class UID of data set and command differ")
    if instance.sop_instance_uid != command.AffectedSOPInstanceUID:
        raise NotAsAnnounced("SOP Instance UID of data set and command differ")


def _answer(status: int, comment: str = "") -> Dataset:
    answer = Dataset()
    answer.Status = status
    if comment:
        answer.ErrorComment = comment
    return answer
