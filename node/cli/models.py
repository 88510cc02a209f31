"""What computes: models list, show, verify."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.app import Config, Json, example
from node.cli.show import show, show_json

if TYPE_CHECKING:
    from node.models import Model

models_app = typer.Typer(no_args_is_help=True, help="Models: list, show, verify. Shipped ones, and your own.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(models_app, name="models", rich_help_panel="Is it right?")


@models_app.command("list", epilog=example("lantern models list --json"))
def list_models(config: Config = None, as_json: Json = False) -> None:
    """List the models of the pipelines, and those of your own that the configuration names.

    Without a configuration file: the shipped ones.
    """
    from node.models import catalogue
    from node.wiring import settings_if_any

    models = catalogue(settings_if_any(config))
    rows = [_row(m) for m in models] if as_json else [_short(m) for m in models]
    show("Models", rows, as_json=as_json, empty="no pipeline is installed")
    for m in models:
        if m.fault and not as_json:
            typer.echo(f"{m.used_by}: {m.fault}")


@models_app.command("show", epilog=example("lantern models show srs"))
def show_model(
    name: Annotated[str, typer.Argument(help="A pipeline, or a model of `lantern models list`.")],
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show the model card: what a model was made from, how far it was tried, where it fails."""
    from node.models import find
    from node.wiring import settings_if_any
    from pipeline.core.errors import NotFound

    found = find(settings_if_any(config), name)
    if as_json:
        show_json([_row(m) for m in found])
        return
    card = found[0].card
    try:
        text = card.read_text("utf-8")
    except OSError as e:
        raise NotFound(f"the model card {card} cannot be read: {e.strerror}", found[0].fault) from e
    _print_card(text if card.suffix == ".md" else f"```toml\n{text}\n```")


@models_app.command("verify", epilog=example("lantern models verify && echo all right"))
def verify_models(config: Config = None, as_json: Json = False) -> None:
    """Compare every model with the SHA-256 in its manifest, and run your own on an empty patch.

    Exit code 1 when one is not what it should be.
    """
    from node.models import catalogue, verify
    from node.wiring import settings_if_any

    looked = [verify(m) for m in catalogue(settings_if_any(config))]
    rows = [
        {
            "pipeline": v.model.pipeline,
            "model": v.model.name,
            "right": v.right,
            "file": str(v.model.file),
            "found": v.said,
            "do": v.do,
        }
        for v in looked
    ]
    show("Models", rows, as_json=as_json, empty="no pipeline is installed")
    if not all(v.right for v in looked):
        raise typer.Exit(1)


def _row(model: Model) -> dict[str, Any]:
    return {
        "pipeline": model.pipeline,
        "model": model.name,
        "what": model.what,
        "file": str(model.file),
        "size_bytes": model.size_bytes,
        "sha256": model.sha256,
        "licence": model.licence,
        "evidence_tier": model.evidence,
        "data": [{"name": d.name, "origin": d.origin, "licence": d.licence} for d in model.data],
        "shipped": model.shipped,
        "used_by": model.used_by,
        "fault": model.fault,
    }


def _short(model: Model) -> dict[str, Any]:
    size = model.size_bytes
    return {
        "pipeline": model.pipeline,
        "model": model.name,
        "file": model.file.name,
        "size": "missing" if size is None else f"{size / 1e6:.1f} MB",
        "sha256": model.sha256[:12],
        "licence": model.licence,
        "evidence": model.evidence,
        "data": [d.origin for d in model.data] or ("" if model.shipped else "your own"),
        "used_by": model.used_by,
    }


def _print_card(text: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    if sys.stdout.isatty():
        Console(width=min(Console().width, 120)).print(Markdown(text))
    else:  # piped, nobody sees bold letters: whoever reads on wants the text itself
        typer.echo(text)
