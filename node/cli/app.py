"""The typer application and the options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.version import VERSION

app = typer.Typer(
    name="lantern",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Lantern: a DICOM AI node. Studies in by C-STORE; SEG, RTSTRUCT and SR back. [bold]Research use only.[/bold]",
)

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Configuration file; else $LANTERN_CONFIG, ./lantern.toml, /etc/lantern/lantern.toml."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lantern {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Lantern: a DICOM AI node. Research use only."""


def example(text: str) -> str:
    """An epilogue with an example, as every command has one."""
    return f"Example:  [bold]{text}[/bold]"
