"""What is wrong with a configuration, and where: one line for each problem, with a hint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from pipeline.core.errors import ConfigInvalid

Key = tuple[str | int, ...]
"""The place of a value: ("route", 0, "when", "Modality") is `when.Modality` of the first [[route]]."""

LISTS = ("peer", "destination", "route")
"""Sections that are written in double brackets, once for each item."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `message` completes the sentence "this value ..."; `hint` says what to write."""

    at: Key
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where settings came from, so that a problem can be pointed at.

    file:     the TOML file; None when settings were made in code.
    lines:    the line of each key in it, counted from 1; that of () is for a file that could not be parsed.
    given_by: keys that the environment or a credential set, with the name of what set them.
    """

    file: Path | None = None
    lines: Mapping[Key, int] = field(default_factory=dict)
    given_by: Mapping[Key, str] = field(default_factory=dict)

    def say(self, problem: Problem) -> str:
        """`lantern.toml:12: [[route]] quiet_period_s: must be >= 0; seconds without a new image ...`."""
        hint = f"; {problem.hint}" if problem.hint else ""
        said = ": ".join(p for p in (self._place(problem.at), _label(problem.at), problem.message) if p) + hint
        # A TOML key may hold anything, line breaks of every kind included; a problem is one line.
        return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in said)

    def order(self, problem: Problem) -> tuple[int, int]:
        """A sort key: the lines of the file from the top, then what came from elsewhere."""
        given = any(problem.at[:n] in self.given_by for n in range(1, len(problem.at) + 1))
        return (1 if given else 0, self._line(problem.at) or 0)

    def _place(self, at: Key) -> str:
        for n in range(len(at), 0, -1):
            if at[:n] in self.given_by:
                return self.given_by[at[:n]]
        name = self.file.name if self.file else "settings"
        line = self._line(at)
        return f"{name}:{line}" if line else name

    def _line(self, at: Key) -> int | None:
        found = (self.lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self.lines)
        return next(found, None)


def refuse(source: Source, problems: Iterable[Problem]) -> None:
    """Raise ConfigInvalid with one problem a line, in the order of the file; nothing when there are none."""
    found = sorted(problems, key=source.order)
    if found:
        said = dict.fromkeys(source.say(p) for p in found)
        raise ConfigInvalid("\n".join(said), "correct this, then ask `lantern check`")


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """A hint that names the closest known word, or all of them when they are few, or `otherwise`."""
    names = sorted(known)
    by_lower = {n.lower(): n for n in names}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_lower[close[0]]!r}?"
    return otherwise or (f"there are: {', '.join(names)}" if names else "")


def _label(at: Key) -> str:
    if not at:
        return ""
    section = f"[[{at[0]}]]" if at[0] in LISTS else f"[{at[0]}]"
    rest = at[2:] if len(at) > 1 and isinstance(at[1], int) else at[1:]
    dotted = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in rest).removeprefix(".")
    return f"{section} {dotted}".strip()
