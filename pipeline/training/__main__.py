"""`python -m pipeline.training srs`: make the heads, train, measure, write weights and model card.

On several processors: `torchrun --nproc_per_node N -m pipeline.training srs`; each process then takes its own batches.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.recipes.srs.weights import FOLDER
from pipeline.training.config import Config, read_config
from pipeline.training.evidence import measure
from pipeline.training.export import export
from pipeline.training.samples import Source
from pipeline.training.slices import load_slices
from pipeline.training.team import Team, team
from pipeline.training.train import train
from pipeline.training.volumes import Head, load, plan, prepare


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and do what it says; stopping it at any time loses at most `checkpoint_every` steps."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.training", description=__doc__)
    parser.add_argument("pipeline", choices=["srs"])
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "srs.toml")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the training images")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where heads and checkpoints are kept")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where weights and model card are written")
    parser.add_argument("--steps", type=int, help="instead of the configuration's")
    parser.add_argument("--no-ship", action="store_true", help="train, but measure and write nothing")
    given = parser.parse_args(arguments)
    config = read_config(given.config)
    if given.steps is not None:
        config = replace(config, steps=given.steps)
    _run(config, given.data, given.runs / config.name, given.out, Console(), ship=not given.no_ship)


def _run(config: Config, data: Path, folder: Path, out: Path, console: Console, *, ship: bool) -> None:
    with team(config.device) as together:
        console.quiet = not together.is_first
        checkpoint = _train(config, data, folder, console, together)
    if together.is_first and ship:
        torch.set_num_threads(max(2, config.threads))
        console.print("measuring on the real scans that were kept out, and on phantoms")
        digest = export(checkpoint, measure(checkpoint, data, console.print), out)
        console.print(f"written: {out}, SHA-256 {digest}")


def _train(config: Config, data: Path, folder: Path, console: Console, together: Team) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        count = sum(len(heads) for heads in plan(config).values())
        making = progress.add_task("making heads", total=count)
        if together.is_first:
            prepare(config, data, folder / "heads", lambda _: progress.advance(making))
        together.wait()
        learning = progress.add_task("training", total=config.steps)

        def tell(step: int, loss: float, figures: dict[str, float] | None) -> None:
            progress.update(learning, completed=step, description=f"training, loss {loss:.3f}")
            if figures:
                progress.console.print(f"step {step}: loss {loss:.3f}, validation {figures}")

        sources = _source(config, data, folder), _held_out(config, data, folder)
        return train(config, *sources, folder, tell, together)


def _source(config: Config, data: Path, folder: Path) -> Source:
    heads: dict[str, list[Head]] = {}
    for head in load(folder / "heads", "train"):
        heads.setdefault(head.name.split("-")[1], []).append(head)
    return Source(heads, load_slices(data, held_out=False), config)


def _held_out(config: Config, data: Path, folder: Path) -> Source:
    heads = {"labelmap": load(folder / "heads", "validation")}
    return Source(heads, load_slices(data, held_out=True), replace(config, share_real=0.0, share_procedural=0.0))


if __name__ == "__main__":
    main()
