"""The checkpoint of associations: a reactor that was let go never runs on while the next request waits."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

from node.association import Checkpoint


def test_who_passes_has_said_so_before_the_checkpoint_closes_again() -> None:
    association, asked, ended = SimpleNamespace(_is_paused=False), threading.Event(), threading.Event()
    checkpoint, stolen = Checkpoint(association), []

    def reactor() -> None:  # the loop of pynetdicom.association.Association._run_reactor
        while not ended.is_set():
            association._is_paused = True
            checkpoint.wait()
            association._is_paused = False
            if asked.is_set():
                stolen.append(1)

    thread = threading.Thread(target=reactor)
    thread.start()
    for _ in range(3000):  # the requests of Association.send_c_store, one right after the other
        checkpoint.clear()
        while not association._is_paused:
            time.sleep(0)
        asked.set()
        time.sleep(0)
        asked.clear()
        checkpoint.set()
    ended.set()
    thread.join()
    assert not stolen
