"""Training of the recipe `mammography`: looks, made-up women, detectors, fusion, false-positive step, figures.

Each stage goes on where it was stopped.
Every detector is fitted once for each of five folds without its women, and once on all of them, which is what ships.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.core.errors import ConfigInvalid
from pipeline.datasets.mammo import Collection
from pipeline.datasets.mammo.named import add_sets
from pipeline.recipes.mammography.recipe import FOLDER
from pipeline.training.mammography.stages import STAGES, Workshop

EXAMPLES = """  python -m pipeline.training mammography --set mias=../shared/data/mammo/mini_mias
  python -m pipeline.training mammography --stage fuse --stage judge --stage report --no-ship
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of this recipe."""
    add_sets(parser, tuple(Collection))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where looks and checkpoints are kept")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the models are written")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one; may be given again")
    parser.add_argument("--device", default="cpu", help="of the networks, as torch names it (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes that read pictures")
    parser.add_argument("--no-ship", action="store_true", help="train, but write nothing beside the recipe")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, console: Console) -> None:
    """Train. Raises ConfigInvalid, NotFound (a stage before has not been run), HeaderUnusable (another data set)."""
    stages = given.stage or STAGES
    if "looks" in stages and not given.set and given.stage:
        raise ConfigInvalid("the stage looks needs a data set", "give one: --set mias=../shared/data/mammo/mini_mias")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        bars: dict[str, TaskID] = {}

        def tell(what: str, done: int, of: int) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=of)
            progress.update(bars[what], completed=done, total=of)

        workshop = Workshop(
            tuple(given.set), given.runs, None if given.no_ship else given.out, tell, console.print, given.device
        )
        for stage in stages:
            console.print(f"stage {stage}")
            workshop.run(stage, given.workers)
