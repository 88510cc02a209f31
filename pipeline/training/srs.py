"""Training of the recipe `srs`: make the heads, train the networks and model 2, write them beside the recipe.

On several processors: `torchrun --nproc_per_node N -m pipeline.training srs`; each process then takes its own batches.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.core.errors import ConfigInvalid
from pipeline.radiomics.classifier import Classifier
from pipeline.recipes.srs.weights import FOLDER, SLICES, VOLUME
from pipeline.training.config import Plan, read_plan
from pipeline.training.export import Evidence, export_classifier, export_network, models_table, write_card
from pipeline.training.false_positives import fit, write
from pipeline.training.manifest import say_tier
from pipeline.training.rejection.candidates import load_candidates
from pipeline.training.rejection.card import markdown
from pipeline.training.report import cross_validated, evidence_tier, failures, report, tables
from pipeline.training.stages import ALL, Workshop
from pipeline.training.team import team

STAGES = ("slices", "volume", "hard", "again", "scan", "thick", "judge", "report")

EXAMPLES = """  python -m pipeline.training srs --data ../shared/data      all stages; goes on where it was stopped
  python -m pipeline.training srs --stage judge --stage report --no-ship
  torchrun --nproc_per_node 2 -m pipeline.training srs --stage hard
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Those of this recipe."""
    parser.add_argument("--config", type=Path, default=Path(__file__).parent / "srs.toml")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with the training images")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where heads and checkpoints are kept")
    parser.add_argument("--out", type=Path, default=FOLDER, help="where the models are written")
    parser.add_argument("--stage", choices=STAGES, action="append", help="only this one; may be given again")
    parser.add_argument("--steps", type=int, help="instead of the configuration's, in every stage; nothing is shipped")
    parser.add_argument("--no-ship", action="store_true", help="train, but write nothing beside the recipe")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace, console: Console) -> None:
    """Train. Raises ConfigInvalid."""
    _run(_plan(given), given, console)


def _plan(given: argparse.Namespace) -> Plan:
    """What the command line asks for. Raises ConfigInvalid."""
    if not given.config.is_file():
        raise ConfigInvalid(f"{given.config} is no file", "give the configuration with --config")
    if not (given.data / "brain").is_dir():
        raise ConfigInvalid(f"{given.data} holds no folder brain/", "give the training images with --data")
    plan = read_plan(given.config)
    if given.steps is not None:
        plan, given.no_ship = _shortened(plan, given.steps), True
    return plan


def _shortened(plan: Plan, steps: int) -> Plan:
    return replace(
        plan,
        slices=replace(plan.slices, steps=steps),
        volume=replace(plan.volume, steps=steps),
        hard=replace(plan.hard, steps=steps),
        again=replace(plan.again, steps=steps),
        scan=replace(plan.scan, steps=steps),
        thick=replace(plan.thick, steps=steps),
    )


def _run(plan: Plan, given: argparse.Namespace, console: Console) -> None:
    # Shortened trainings lie apart: a full one must not go on from theirs.
    stages, folder = given.stage or STAGES, given.runs / (plan.name if given.steps is None else f"{plan.name}-short")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with team(plan.slices.device) as together, Progress(*columns, TimeRemainingColumn(), console=console) as progress:
        console.quiet = not together.is_first
        learning = progress.add_task("training", total=plan.slices.steps)

        def tell(step: int, loss: float, figures: dict[str, float] | None) -> None:
            progress.update(learning, completed=step, description=f"training, loss {loss:.3f}")
            if figures:
                console.print(f"step {step}: loss {loss:.3f}, validation {figures}")

        workshop = Workshop(plan, given.data, folder, together, tell, console.print)
        for stage in stages:
            console.print(f"stage {stage}")
            _stage(stage, workshop, None if given.no_ship or not together.is_first else given.out)


def _stage(stage: str, workshop: Workshop, out: Path | None) -> None:
    if stage == "slices":
        workshop.slices()
    elif stage == "volume":
        workshop.volume()
    elif stage == "hard":
        workshop.hard()
    elif stage == "again":
        workshop.again()
    elif stage == "scan":
        best = workshop.scan()
        if out is not None:
            export_network(VOLUME, best, out)
    elif stage == "thick":
        best = workshop.thick()
        if out is not None:
            export_network(SLICES, best, out)
    elif stage == "judge" and workshop.together.is_first:
        fitted = fit(load_candidates(workshop.candidates()))
        write(fitted, workshop.folder / "judge")
        if out is not None:
            export_classifier(fitted.classifier.to_json(), out)
    elif stage == "report" and workshop.together.is_first:
        _report(workshop, out)


def _report(workshop: Workshop, out: Path | None) -> None:
    """The cross-validated evaluation, and its tables and those of model 2 in the card."""
    judged, networks = workshop.folder / "judge", workshop.networks()
    classifier = Classifier.from_json((judged / "false_positives.json").read_bytes())
    subject = cross_validated(networks, networks[ALL], load_candidates(judged / "candidates"), classifier)
    at = workshop.folder / "report"
    made = report(subject, workshop.data, at, workshop.say)
    if out is not None:
        figures = json.loads((judged / "false_positives_figures.json").read_text())
        model_2 = markdown(figures).replace("## ", "### ", 1).strip()
        tier = evidence_tier(made)
        say_tier(out, tier)
        parts = (tables(made), model_2, failures(made, at, out))
        write_card(out / "README.md", models_table(out), Evidence(tier, "\n\n".join(p for p in parts if p)))
