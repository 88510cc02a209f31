"""An archive that negotiates everything, and refuses some kinds of objects by status. DCMTK's storescp cannot."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from node.sent import ALL, Sent

SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless]


class RefusingScp:
    """Keeps what it takes as files in `folder`; `refuses` may be changed at any time.

    refuses: kind of object -> its answer to each object of it.
    """

    def __init__(self, folder: Path, refuses: dict[Sent, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.refuses, self.ae_title, self._folder = refuses, "REFUSING", folder
        self.asked: list[str] = []
        ae = AE(self.ae_title)
        for uid in (Verification, *(s.sop_class_uid for s in ALL)):
            ae.add_supported_context(uid, SYNTAXES)
        self._server: Any = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.port = int(self._server.server_address[1])

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPClassUID)
        self.asked.append(uid)
        for kind, status in self.refuses.items():
            if kind.sop_class_uid == uid:
                return status
        (self._folder / f"{event.request.AffectedSOPInstanceUID}.dcm").write_bytes(event.encoded_dataset())
        return 0x0000

    def files(self) -> list[Path]:
        """What it has taken."""
        return sorted(self._folder.iterdir())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.shutdown()
