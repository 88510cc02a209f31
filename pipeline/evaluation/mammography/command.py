"""Mammograms. Data sets as their makers hand them out (--set), DICOM with truth as `lantern convert` writes it
(--dicom), or made-up women (--made-up, and where nothing else is asked for). Nothing in the folders is changed.

With --runs each woman is read by the models of the fold that she was left out of, else by the shipped weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from pipeline.core.errors import NotFound
from pipeline.datasets.mammo import Collection, cases
from pipeline.datasets.mammo.named import add_sets
from pipeline.evaluation import command
from pipeline.evaluation.mammography.dicom import dicom_studies
from pipeline.evaluation.mammography.phantoms import phantom_studies
from pipeline.evaluation.mammography.run import evaluate
from pipeline.evaluation.mammography.studies import StudyEntry, studies_of

EXAMPLES = """  python -m pipeline.evaluation mammography --made-up 4                made-up women
  python -m pipeline.evaluation mammography --set mias=../shared/data/mammo/mini_mias --runs runs
  python -m pipeline.evaluation mammography --dicom converted --limit 10 --json
"""

WITH_TRUTH = tuple(c for c in Collection if c is not Collection.FILM)
MADE_UP = 8


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those beside the shared ones."""
    add_sets(parser, WITH_TRUTH)
    parser.add_argument("--dicom", type=Path, metavar="DIR", help="mammograms as DICOM with their truth beside them")
    parser.add_argument("--made-up", type=command.positive, metavar="N", help=f"so many women ({MADE_UP} by default)")
    parser.add_argument("--runs", type=Path, metavar="DIR", help="folder of the training: its cross-validated models")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, console: Console) -> int:
    """Evaluate; the exit code. Raises NotFound where there is no study, HeaderUnusable for a folder of another kind."""
    studies, left = find_studies(given.set, given.dicom, given.made_up)
    studies = studies[: given.limit]
    # A wrong folder is said before networks load.
    from pipeline.evaluation.mammography.shipped import subject  # noqa: PLC0415

    who = subject(given.runs, given.device)
    for line in left:
        command.say(console, f"left out: {line}")
    report = command.with_progress(
        len(studies), console, lambda done: evaluate(studies, who, given.out, given.seed, done, left)
    )
    return command.finish(report, len(report["images"]), given, console)


def find_studies(
    sets: list[tuple[Collection, Path]], dicom: Path | None, made_up: int | None
) -> tuple[list[StudyEntry], list[str]]:
    """The studies, and lines on what was left out. Raises NotFound where there is none."""
    studies: list[StudyEntry] = []
    left: list[str] = []
    for collection, folder in sets:
        studies += studies_of(cases(collection, folder))
    if dicom is not None:
        if not dicom.is_dir():
            raise NotFound(f"{dicom} is no folder", "give the folder that `lantern convert` wrote with --dicom")
        found, left = dicom_studies(dicom)
        if not found:
            raise NotFound(f"no mammogram with truth is in {dicom}", "convert a data set first: lantern convert --help")
        studies += found
    if made_up or not studies:
        studies += phantom_studies(made_up or MADE_UP)
    return studies, left
