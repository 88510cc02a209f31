"""`python -m pipeline.training.anatomy`: train the structure network, measure it, make the atlas, write both."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.recipes.srs.anatomy import FOLDER
from pipeline.training.anatomy.atlas import make_atlas, write_atlas
from pipeline.training.anatomy.export import export_network
from pipeline.training.anatomy.heads import TrainingHead, label_map_head, procedural_head
from pipeline.training.anatomy.train import train, validate

TRAINING_ANATOMIES = range(1, 9)
VALIDATION_ANATOMIES = range(9, 11)
PROCEDURAL = 2


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and do what it says; a run that was stopped goes on from its last checkpoint."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.training.anatomy", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["all", "network", "atlas"], default="all")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the training images")
    parser.add_argument("--runs", type=Path, default=Path("runs/anatomy"), help="where checkpoints are kept")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where network and atlas are written")
    parser.add_argument("--minutes", type=float, default=10.0, help="of processor time for the training")
    parser.add_argument("--seed", type=int, default=3)
    given = parser.parse_args(arguments)
    console = Console()
    torch.set_num_threads(1)
    if given.what != "atlas":
        _network(given, console)
    if given.what != "network":
        digest = write_atlas(make_atlas(given.data, TRAINING_ANATOMIES, console.print), given.out)
        console.print(f"atlas written: SHA-256 {digest}")


def _network(given: argparse.Namespace, console: Console) -> None:
    given.runs.mkdir(parents=True, exist_ok=True)
    heads = [label_map_head(given.data, n) for n in TRAINING_ANATOMIES]
    heads += [procedural_head(n) for n in range(PROCEDURAL)]
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        learning = progress.add_task("training", total=1.0)

        def tell(step: int, loss: float, part: float) -> None:
            progress.update(learning, completed=part, description=f"step {step}, loss {loss:.3f}")
            if step % 100 == 0:
                progress.console.print(f"step {step}: loss {loss:.3f}")

        checkpoint = train(heads, given.minutes, given.seed, given.runs, tell)
    network, digest = export_network(checkpoint, given.out)
    held_out: list[TrainingHead] = [label_map_head(given.data, n) for n in VALIDATION_ANATOMIES]
    for plain, words in ((True, "upright, thin slices"), (False, "as trained: tilted, cut, with lesions")):
        console.print(f"Dice on unseen anatomies, {words}: {validate(network, held_out, given.seed, plain=plain)}")
    console.print(f"network written: SHA-256 {digest}")


if __name__ == "__main__":
    main()
