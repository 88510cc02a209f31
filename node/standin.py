"""A stand-in PACS for the demonstration: takes what it is sent and writes it to a folder. Not for patients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import Verification

_SUCCESS = 0x0000


@contextmanager
def stand_in_pacs(ae_title: str, folder: Path) -> Iterator[int]:
    """Run one on a free port of this machine, which it gives; every object becomes a file of `folder`."""
    folder.mkdir(parents=True, exist_ok=True)

    def store(event: Any) -> int:
        ds = event.dataset
        ds.file_meta = event.file_meta
        # Named by what it is: a number and the modality, never by anything out of the object.
        number = len(list(folder.iterdir())) + 1
        ds.save_as(folder / f"{number:03d}-{str(ds.Modality)[:16].replace('/', '_')}.dcm", enforce_file_format=True)
        return _SUCCESS

    ae = AE(ae_title)
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context(Verification)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
