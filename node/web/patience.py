"""Ask what may hang (a database, a network disk) without hanging."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Patient(Generic[T]):
    """One question, asked in a thread of its own and at most once at a time.

    When an answer is not there within the limit, the thread is left waiting and the next asker waits for that same
    answer: however often a dead disk is asked about, one thread hangs.
    """

    def __init__(self, question: Callable[[], T], limit_s: float) -> None:
        self._question = question
        self._limit_s = limit_s
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[T] | None = None

    async def ask(self) -> T:
        """The answer. Raises TimeoutError when it takes too long, and whatever the question raises."""
        if self._pending is None or self._pending.done():
            self._pending = self._thread.submit(self._question)
        return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._pending)), self._limit_s)
