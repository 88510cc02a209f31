"""`lantern destinations`: where results go, what each place takes, and what it does not get."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.app import Config, Json, example
from node.cli.show import show, show_json
from pipeline.core.errors import LanternError
from pipeline.core.profile import Profile, Refused
from pipeline.core.route import Destination

if TYPE_CHECKING:
    from node.wiring import House

app = typer.Typer(no_args_is_help=True, help="Destinations: list, show, probe, echo.")

Name = Annotated[str, typer.Argument(help="The destination; none is all.")]


def register(into: typer.Typer) -> None:
    """Add the commands of this module."""
    into.add_typer(app, name="destinations", rich_help_panel="What there is")


@app.command("list", epilog=example("lantern destinations list --json"))
def list_destinations(config: Config = None, as_json: Json = False) -> None:
    """List the destinations, what waits for each, and whether it takes what is made here."""
    from node.wiring import house_from

    house = house_from(config, make=True)  # at registration: the node may not have run yet
    counts = house.ledger.counts()
    rows = [
        {
            "name": d.name,
            "ae_title": d.ae_title,
            "address": d.stow_url or f"{d.host}:{d.port}",
            **{s: counts.deliveries.get((d.name, s), 0) for s in ("waiting", "sent", "parked", "quarantined")},
            "oldest_waiting": counts.oldest_waiting_at.get(d.name),
            "takes": _in_short(house, d),
        }
        for d in house.settings.destinations
    ]
    show("Destinations", rows, as_json=as_json, empty="none configured")


@app.command("show", epilog=example("lantern destinations show pacs"))
def show_destination(
    name: Annotated[str, typer.Argument(help="The destination.")], config: Config = None, as_json: Json = False
) -> None:
    """Show what a destination takes, in which form it gets results, what is lost and why. Asks nobody; see `probe`."""
    from node.wiring import house_from

    house = house_from(config, make=True)
    told = _told(house, house.destination(name))
    if as_json:
        show_json(told)
        return
    kinds, lost, wishes = told.pop("kinds"), told.pop("lost"), told.pop("wishes")
    show(f"Destination {name}", [told], as_json=False)
    show("Takes", kinds, as_json=False)
    show("Wishes in force", [wishes], as_json=False)
    if lost:
        show("Does not get", [{"why": said} for said in lost], as_json=False)
    else:
        typer.echo("It gets everything that is made here, as its configuration wants it.")


@app.command("probe", epilog=example("lantern destinations probe pacs"))
def probe_destinations(name: Name = "", config: Config = None, as_json: Json = False) -> None:
    """Ask destinations now what they take (C-ECHO and negotiation). Exit code 1 when one did not say.

    What one refused by status before is forgotten with its answer, and offered again: a negotiation would not show it.
    """
    from node.wiring import house_from

    house = house_from(config, make=True)
    chosen = [house.destination(name)] if name else list(house.settings.destinations)
    rows = [_probed(house, d, *house.profiles().ask_anew(d)) for d in chosen]
    show("Destinations", rows, as_json=as_json, empty="none configured")
    if any(r["error"] for r in rows):
        raise typer.Exit(1)


@app.command("echo", epilog=example("lantern destinations echo pacs"))
def echo_destinations(name: Name = "", config: Config = None, as_json: Json = False) -> None:
    """Ask destinations whether they are there (C-ECHO). Exit code 1 when one is not."""
    from node.wiring import house_from

    house = house_from(config, make=True)
    chosen = [house.destination(name)] if name else list(house.settings.destinations)
    rows: list[dict[str, Any]] = []
    for d in chosen:
        try:
            rows.append({"name": d.name, "reachable": True, "says": house.reach(d)})
        except LanternError as e:
            rows.append({"name": d.name, "reachable": False, "says": str(e)})
    show("Destinations", rows, as_json=as_json, empty="none configured")
    if not all(r["reachable"] for r in rows):
        raise typer.Exit(1)


def _in_short(house: House, destination: Destination) -> str:
    from node.losses import losses, refused

    profile = house.profiles().of(destination)
    if profile is None:
        return "never asked"
    if not profile.is_known:
        return "not known yet: it gave no answer"
    if refused(destination, profile):
        return "not everything: see `show`"
    all_of_it = "taken as everything (STOW-RS)" if profile.is_assumed else "everything"
    return f"{all_of_it}; its configuration wants less: see `show`" if losses(destination, profile) else all_of_it


def _probed(house: House, destination: Destination, profile: Profile, forgotten: tuple[Refused, ...]) -> dict[str, Any]:
    from node.sent import sent_as

    return {
        "name": destination.name,
        "endpoint": profile.endpoint,
        "takes": _in_short(house, destination),
        "software": profile.software,
        "offered_again": ", ".join(sorted(s.name for s in sent_as(r.sop_class_uid for r in forgotten))),
        "error": profile.error,
    }


def _told(house: House, destination: Destination) -> dict[str, Any]:
    from node.losses import kinds, losses

    profile = house.profiles().of(destination)
    return {
        "name": destination.name,
        "endpoint": destination.endpoint,
        "software": profile.software if profile else "",
        "probed_at": profile.probed_at if profile else None,
        "error": profile.error if profile else "it has not been asked yet",
        "negotiated": bool(profile and profile.is_known and not profile.is_assumed),
        "kinds": [asdict(k) for k in kinds(destination, profile)],
        "lost": list(losses(destination, profile)),
        "wishes": asdict(destination.wishes),
    }
