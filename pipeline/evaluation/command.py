"""What the command lines of all evaluations share: options, progress, exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

DONE, SOME_UNREADABLE, NOTHING_DONE = 0, 1, 2

EXIT_CODES = "exit codes: 0 all cases read; 1 some could not be read (the report names them); 2 nothing was done"


def shared_options() -> argparse.ArgumentParser:
    """A parent for the parser of each pipeline."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--out", type=Path, default=Path("evaluation-out"), help="folder for the report (%(default)s)")
    parser.add_argument("--limit", type=positive, help="only the first N cases")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")
    parser.add_argument("--device", default="cpu", help="where the networks run: cpu, auto, gpu, gpu:N (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the report on standard output too")
    return parser


def positive(text: str) -> int:
    """A whole number from 1 on, of the command line."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def with_progress(
    total: int, console: Console, work: Callable[[Callable[[str], None]], dict[str, Any]]
) -> dict[str, Any]:
    """Run `work` beside a bar; what it is given takes one line a case."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("reading", total=total)

        def done(line: str) -> None:
            progress.console.print(line, markup=False, highlight=False)
            progress.advance(task)

        return work(done)


def say(console: Console, line: str) -> None:
    """A line as it is."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def finish(report: Mapping[str, Any], read: int, given: argparse.Namespace, console: Console) -> int:
    """Say where the report is, print it where asked for; the exit code. read: how many cases are in the report."""
    if given.json:
        sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    say(console, f"written: {given.out / 'report.md'}")
    if not read:
        return NOTHING_DONE
    return SOME_UNREADABLE if report["unreadable"] else DONE
