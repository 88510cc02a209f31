"""All commands, gathered: importing this module is cheap, each command imports what it needs."""

from __future__ import annotations

import typer

from node.cli import checks, conformance, destinations, listings, models, offline, plan, processes, timeline


def register(app: typer.Typer) -> None:
    """Add every command to the application."""
    for module in (processes, offline, plan, listings, destinations, timeline, checks, conformance, models):
        module.register(app)
