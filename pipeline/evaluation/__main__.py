"""How good is a pipeline? Its findings against the truth of cases, with intervals, curves and pictures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipeline.core.errors import LanternError
from pipeline.evaluation import command
from pipeline.evaluation.cases.find import find_cases, left_out
from pipeline.evaluation.command import DONE, NOTHING_DONE, SOME_UNREADABLE
from pipeline.evaluation.mammography import command as mammography
from pipeline.evaluation.run import evaluate

__all__ = ["DONE", "NOTHING_DONE", "SOME_UNREADABLE", "main"]

EXAMPLES = """examples:
  python -m pipeline.evaluation srs                                    the phantoms
  python -m pipeline.evaluation srs --data /data/BraTS-METS --limit 20
  python -m pipeline.evaluation srs --data ../shared/data --tier T1 T2 --out evaluation-out
"""

ABOUT_SRS = """Brain metastases. Without --data the phantoms of the project are read (tier T0). A folder of your own
gives tier T2: BraTS-METS folders, NIfTI pairs, or DICOM with a SEG or RTSTRUCT. Nothing in the folder is changed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, evaluate, say where the report is; the exit code."""
    given = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        code: int = given.run(given, console)
    except LanternError as error:
        command.say(console, f"{error.message}\n{error.hint}")
        return NOTHING_DONE
    return code


def _srs(given: argparse.Namespace, console: Console) -> int:
    entries = find_cases(given.data, given.tier, given.masks)[: given.limit]
    # A wrong folder is said before networks load.
    from pipeline.evaluation.shipped import shipped  # noqa: PLC0415

    subject = shipped("srs", given.device)
    report = command.with_progress(
        len(entries), console, lambda done: evaluate(entries, subject, given.out, given.seed, done)
    )
    if alone := left_out(given.data):
        command.say(console, f"without a mask, and left out: {', '.join(alone)}")
    return command.finish(report, len(entries) - len(report["unreadable"]), given, console)


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.evaluation",
        description=__doc__,
        epilog=f"{EXAMPLES}{mammography.EXAMPLES}\n{command.EXIT_CODES}",
        formatter_class=formatter,
    )
    choices = parser.add_subparsers(title="pipelines", metavar="PIPELINE", required=True)
    shared = command.shared_options()
    _srs_options(
        choices.add_parser(
            "srs",
            help="brain metastases",
            description=ABOUT_SRS,
            epilog=f"{EXAMPLES}\n{command.EXIT_CODES}",
            formatter_class=formatter,
            parents=[shared],
        )
    )
    mammography.add_options(
        choices.add_parser(
            "mammography",
            help="mammograms",
            description=mammography.__doc__,
            epilog=f"examples:\n{mammography.EXAMPLES}\n{command.EXIT_CODES}",
            formatter_class=formatter,
            parents=[shared],
        )
    )
    return parser


def _srs_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, help="folder with cases; what is in it is recognised")
    parser.add_argument("--tier", nargs="+", choices=["T0", "T1", "T2"], default=[], help="only these tiers")
    parser.add_argument(
        "--masks",
        choices=["tumour", "enhancing"],
        default="tumour",
        help="what the masks of NIfTI pairs outline (%(default)s)",
    )
    parser.set_defaults(run=_srs)


if __name__ == "__main__":
    # A reader of our output that goes away (head, less) is no error.
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    sys.exit(code)
