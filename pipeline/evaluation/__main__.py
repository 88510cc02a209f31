"""How good is a pipeline? Its findings against the truth of cases, with intervals, curves and pictures.

Without --data the phantoms of the project are read (tier T0). A folder of your own gives tier T2: BraTS-METS folders,
NIfTI pairs, or DICOM with a SEG or RTSTRUCT. Nothing in the folder is changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.core.errors import LanternError
from pipeline.evaluation.cases.case import Entry
from pipeline.evaluation.cases.find import find_cases, left_out
from pipeline.evaluation.reading import Subject
from pipeline.evaluation.run import evaluate

DONE, SOME_UNREADABLE, NOTHING_DONE = 0, 1, 2

EPILOG = """examples:
  python -m pipeline.evaluation srs                                    the phantoms
  python -m pipeline.evaluation srs --data /data/BraTS-METS --limit 20
  python -m pipeline.evaluation srs --data ../shared/data --tier T1 T2 --out evaluation-out

exit codes: 0 all cases read; 1 some could not be read (the report names them); 2 nothing was done"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, evaluate, say where the report is; the exit code."""
    given = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        entries = find_cases(given.data, given.tier, given.masks)[: given.limit]
        report = _evaluate(entries, _subject(given), given, console)
    except LanternError as error:
        console.print(f"{error.message}\n{error.hint}", markup=False, highlight=False)
        return NOTHING_DONE
    if alone := left_out(given.data):
        console.print(f"without a mask, and left out: {', '.join(alone)}", markup=False, highlight=False)
    if given.json:
        sys.stdout.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    console.print(f"written: {given.out / 'report.md'}", highlight=False, soft_wrap=True)
    if len(report["unreadable"]) == len(entries):
        return NOTHING_DONE
    return SOME_UNREADABLE if report["unreadable"] else DONE


def _subject(given: argparse.Namespace) -> Subject:
    from pipeline.evaluation.shipped import shipped  # noqa: PLC0415  (a wrong folder is said before networks load)

    return shipped(given.pipeline, given.device)


def _evaluate(entries: list[Entry], subject: Subject, given: argparse.Namespace, console: Console) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        task = progress.add_task("reading", total=len(entries))

        def done(line: str) -> None:
            progress.console.print(line, markup=False, highlight=False)
            progress.advance(task)

        return evaluate(entries, subject, given.out, given.seed, done)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.evaluation",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pipeline", choices=["srs"])
    parser.add_argument("--data", type=Path, help="folder with cases; what is in it is recognised")
    parser.add_argument("--out", type=Path, default=Path("evaluation-out"), help="folder for the report (%(default)s)")
    parser.add_argument("--tier", nargs="+", choices=["T0", "T1", "T2"], default=[], help="only these tiers")
    parser.add_argument("--limit", type=_positive, help="only the first N cases")
    parser.add_argument(
        "--masks",
        choices=["tumour", "enhancing"],
        default="tumour",
        help="what the masks of NIfTI pairs outline (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (%(default)s)")
    parser.add_argument("--device", default="cpu", help="where the networks run: cpu, auto, gpu, gpu:N (%(default)s)")
    parser.add_argument("--json", action="store_true", help="the report on standard output too")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    # A reader of our output that goes away (head, less) is no error.
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    sys.exit(code)
