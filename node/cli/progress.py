"""Progress displays, on standard error so that standard output stays clean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

SAY_EVERY_S = 30.0
"""Seconds after which who waits is told again that something goes on, where nothing can move on the screen."""

Stage = Callable[[str, float], None]
"""Says what goes on now, and how much of all is done: 0 to 1."""


@contextmanager
def spinner(what: str) -> Iterator[None]:
    """Show that something of unknown length goes on."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(what)
        yield


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[], None]]:
    """Show how many of `total` are done; the function that is given says "one more"."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def stages(console: Console) -> Iterator[Stage]:
    """Show what goes on, and for how long: a bar on a terminal, elsewhere a line for each step and now and then."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda what, done: progress.update(task, description=f"{what:44}", completed=done)


class _Lines:
    """Prints a line when there is news, or when the last is old."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock, self._began = console, clock, clock()
        self._what, self._said = "", 0.0

    def __call__(self, what: str, _done: float) -> None:
        now = self._clock()
        if what != self._what or now - self._said >= SAY_EVERY_S:
            self._what, self._said = what, now
            self._console.print(f"{now - self._began:4.0f} s  {what}", markup=False, highlight=False, soft_wrap=True)
