"""What the node says of itself to those who connect it: conformance."""

from __future__ import annotations

from typing import Annotated

import typer

from node.cli.app import Config, Json, example
from node.cli.show import show_json

EXAMPLES = (
    "lantern conformance > conformance.md",
    "lantern conformance --config /etc/lantern/lantern.toml --html > conformance.html",
)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    epilog = "\n\n".join(
        [*map(example, EXAMPLES), "Exit codes: 0 written, 1 the configuration cannot be used, 2 usage."]
    )
    app.command(epilog=epilog, rich_help_panel="Is it right?")(conformance)


def conformance(
    config: Config = None,
    as_html: Annotated[bool, typer.Option("--html", help="One HTML page, complete in itself, also for paper.")] = False,
    as_json: Json = False,
) -> None:
    """Write the DICOM conformance statement, as Markdown, to standard output.

    It is made from the running code and the configuration: what is negotiated, how status codes are judged, and what
    the encoders write. Without a configuration file: of the default settings. It takes some seconds, and holds no
    secrets.
    """
    from dataclasses import asdict

    from config.settings import Settings
    from node.conformance.chapters import document
    from node.conformance.gather import gather
    from node.conformance.html import html
    from node.conformance.markdown import markdown
    from node.receive.acceptor import quiet_libraries
    from node.wiring import settings_if_any

    if as_html and as_json:
        raise typer.BadParameter("either --html or --json, not both")
    quiet_libraries()
    statement = gather(settings_if_any(config) or Settings())
    if as_json:
        show_json(asdict(statement))
        return
    typer.echo((html if as_html else markdown)(document(statement)), nl=False)
