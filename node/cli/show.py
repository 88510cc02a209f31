"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.core.errors import ConfigInvalid, LanternError

Row = Mapping[str, Any]


def show(title: str, rows: Sequence[Row], *, as_json: bool, empty: str = "nothing") -> None:
    """Print rows that have the same keys: a JSON array, or a table with the keys as its heads."""
    if as_json:
        show_json(list(rows))
        return
    if not rows:
        typer.echo(f"{title}: {empty}")
        return
    table = Table(title=title, title_justify="left", header_style="bold", pad_edge=False)
    for key in rows[0]:
        table.add_column(key.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape(_text(v)) for v in row.values()))
    # Piped, nobody wraps lines: a UID must stay in one piece for grep.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def show_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def complain(error: LanternError) -> None:
    """Say on standard error what went wrong and what to do."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(f"[bold red]error:[/] {escape(error.message)}")
    if error.hint:
        # The problems of a configuration carry their hints line by line.
        lead = "" if isinstance(error, ConfigInvalid) and "\n" in error.hint else "[bold]hint:[/] "
        console.print(f"{lead}{escape(error.hint)}")


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else str(value)


def _text(value: Any) -> str:
    match value:
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(str(v) for v in value)
        case float():
            return f"{value:.1f}"
    return str(value)
