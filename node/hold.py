"""A lease is renewed from a thread while its holder is busy with steps that cannot be interrupted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.core.errors import LanternError

log = logging.getLogger(__name__)

STEP_S = 1800.0
"""Seconds after which a step without an end counts as hung: then the lease may run out."""


@contextmanager
def held(renew: Callable[[], bool], every_s: float, step_s: float = STEP_S) -> Iterator[Callable[[], None]]:
    """Call `renew` every `every_s` seconds until the block ends; the thread ends with it.

    renew: False when there is nothing left to hold; then nobody calls it any more, and the block has to find out for
    itself. Its LanternErrors are logged and it is called again.

    Gives a function by which the block says that a step is done: without a word for `step_s` the renewing ends too.
    """
    done, since = threading.Event(), [time.monotonic()]

    def moved() -> None:
        since[0] = time.monotonic()

    def keep() -> None:
        while not done.wait(every_s):
            if time.monotonic() - since[0] > step_s:
                log.error("a step takes longer than %.0f s: the job is no longer held for it", step_s)
                return
            try:
                if not renew():
                    return
            except LanternError as e:
                log.warning("a lease could not be renewed: %s", e)

    thread = threading.Thread(target=keep, name="hold", daemon=True)
    thread.start()
    try:
        yield moved
    finally:
        done.set()
        thread.join()
