"""C-STORE as an SCP (PS3.4 B.2): the sender is answered 0x0000 once its object is durable, and not before."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pydicom import Dataset

from node.receive.doors import plain_address
from node.receive.same import same_content
from node.receive.spool import Spool
from node.status import SUCCESS, NotAsAnnounced, comment_of, refusal_of
from pipeline.core.errors import HeaderUnusable, LanternError, place_of
from pipeline.core.route import PRIORS
from pipeline.core.study import Added, Association, Instance
from pipeline.imaging.header import read_header
from storage.archive import Archive, Stored
from storage.ledger import Ledger

log = logging.getLogger(__name__)

OnStored = Callable[[Instance, Added], None]


class Store:
    """What happens to each C-STORE request.

    own_titles: the node's AE titles; what a C-MOVE of one of them brings is an earlier study, and no work.
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
        stored = self._archive.adopt(path)
        instance = replace(instance, path=self._archive.absolute(stored.path), sha256=stored.sha256)
        same_as = self._known_twin(instance, stored)
        with self._archive.keeping(stored.path):
            added = self._ledger.add_instance(
                instance, stored.path, self._addressed(event), stored.size_bytes, same_as=same_as
            )
        return instance, added

    def _addressed(self, event: Any) -> Association:
        """Who sent it, and to whom: to PRIORS, where no route listens, when we asked for it ourselves (C-MOVE)."""
        sent = association_of(event.assoc)
        originator = (event.request.MoveOriginatorApplicationEntityTitle or "").strip()
        return replace(sent, called_ae=PRIORS) if originator in self._own_titles else sent

    def _known_twin(self, instance: Instance, stored: Stored) -> str:
        """The hash of the instance the ledger has under this UID, when it holds the same in other bytes."""
        known = self._ledger.known(instance.sop_instance_uid)
        if known is None or known.sha256 == stored.sha256:
            return ""
        return known.sha256 if same_content(self._archive.absolute(known.path), instance.path) else ""

    def _tell(self, instance: Instance, added: Added) -> None:
        if added is Added.CONFLICT:
            uid = instance.sop_instance_uid
            log.warning("instance %s came again with other content: kept aside, the first one stays", uid)
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
