"""lantern plan: which lesion in which session, from contours of any origin, with no server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.app import Json, example
from node.cli.show import complain, show_json
from pipeline.core.errors import ConfigInvalid, OurFault

if TYPE_CHECKING:
    from pydicom import Dataset

    from pipeline.contract import Declined
    from pipeline.core.study import Series
    from pipeline.sessions.case import Tables, Wishes
    from pipeline.sessions.planned import Planned

FILE, PICTURE = "plan.json", "plan.png"

TABLES: Mapping[str, Callable[[str], Any]] = {"limits": Path, "prescriptions": Path, "gradient_index": float}
SETTINGS: Mapping[str, Callable[[str], Any]] = {
    "most_sessions": int,
    "most_lesions": int,
    "most_minutes": float,
    "minutes": float,
    "setup_minutes": float,
    "apart_mm": float,
    "days_between": int,
    "alpha_beta_gy": float,
    **TABLES,
}
"""What --set takes: see pipeline/sessions/case.py."""

_KINDS: Mapping[Callable[[str], Any], str] = {int: "a whole number", float: "a number", Path: "a file"}


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    command = "lantern plan --rtstruct RTSTRUCT.dcm --series ./t1c --lock BM02=1 --exclude BM05 --out ./plan"
    app.command(epilog=example(command), rich_help_panel="Without a server")(plan)


def plan(  # noqa: PLR0913, PLR0917  (options of a command line, each given by name)
    rtstruct: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The RTSTRUCT, or SEG, with the lesions.")
    ],
    series: Annotated[Path, typer.Option(exists=True, help="The folder of the T1 series that they are drawn on.")],
    out: Annotated[Path, typer.Option(help="Folder for plan.json.")],
    dose: Annotated[list[Path] | None, typer.Option(exists=True, help="RTDOSE, or a folder with RTPLAN, too.")] = None,
    organs: Annotated[list[Path] | None, typer.Option(exists=True, help="RTSTRUCT of organs, PTVs; may recur.")] = None,
    sessions: Annotated[int | None, typer.Option(help="Exactly so many; else the fewest that keep all limits.")] = None,
    lock: Annotated[list[str] | None, typer.Option(help="LESION=SESSION; may be given again.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="A lesion that is not treated; may be given again.")] = None,
    first: Annotated[list[str] | None, typer.Option(help="A lesion for the first session (symptomatic).")] = None,
    setting: Annotated[list[str] | None, typer.Option("--set", help=f"KEY=VALUE; keys: {', '.join(SETTINGS)}.")] = None,
    picture: Annotated[bool, typer.Option("--picture", help="Also draw plan.png: map, doses, curve.")] = False,
    as_json: Json = False,
) -> None:
    """Split lesions over treatment sessions. An ESTIMATE, NOT FOR TREATMENT.

    Lesions are the ROIs of type GTV, or named like tumours, of a structure set from any system, or the tumours of a
    segmentation; a short name will do where it is clear (BM02 for BM02_L_FRONT). Contours of another patient than the
    images are declined.

    Doses are estimated from prescription, size and shape, and organs are an atlas', unless --dose and --organs bring
    those of a planning system. Limits and prescriptions are TOML files like those in pipeline/sessions.

    Exit code 0 done, 3 declined, 2 wrong usage, 1 what was given cannot be used.
    """
    from node.cli.plan_files import contours_in, sent_in, series_of

    try:
        wishes, tables = _wishes(sessions, lock or [], exclude or [], first or [], setting or [])
        ds = contours_in(rtstruct)
        sent, images = sent_in(dose or [], organs or []), series_of(series, ds)
        found = _found(images, ds, wishes, tables, sent)
    except ConfigInvalid as error:
        complain(error)
        raise typer.Exit(2) from None
    planned = _or_declined(found, as_json=as_json)
    data = _kept(planned, wishes, out)
    drawn = _draw(planned, images, out) if picture else ()
    if as_json:
        show_json(data)
        return
    _say(planned, data)
    typer.echo(f"{', '.join((FILE, *drawn))} {'are' if drawn else 'is'} in {out}")


def _found(
    images: Series, ds: Dataset, wishes: Wishes, tables: Tables, sent: Mapping[str, Series]
) -> Planned | Declined:
    from node.cli.progress import spinner
    from pipeline import registry
    from pipeline.contract import Planner, Runtime

    planner = registry.get("srs")
    if not isinstance(planner, Planner):
        raise OurFault("the pipeline srs plans no sessions")
    with spinner("sessions"):
        return planner.plan_contours(images, ds, wishes, tables, Runtime(), sent)


def _or_declined(found: Planned | Declined, *, as_json: bool) -> Planned:
    """The plan; where there is none, the command ends here and says why."""
    from pipeline.contract import Declined

    if not isinstance(found, Declined):
        return found
    if as_json:
        show_json({"outcome": "declined", "reason": found.reason})
    else:
        typer.echo(f"declined: {found.reason}")
    raise typer.Exit(3)


def _kept(found: Planned, wishes: Wishes, out: Path) -> dict[str, Any]:
    """What was written to plan.json."""
    from pipeline.sessions.told import as_data

    data = {"outcome": "completed", **as_data(found.plan, found.case), "alpha_beta_gy": wishes.alpha_beta_gy}
    data["remarks"] = [*found.remarks, *data["remarks"]]
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(json.dumps(data, indent=2) + "\n")
    return data


def _say(found: Planned, data: dict[str, Any]) -> None:
    from node.cli.plan_tables import show_plan
    from pipeline.sessions.told import sentences

    for sentence in (*sentences(found.plan), *found.remarks):
        typer.echo(sentence)
    show_plan(data)


def _draw(found: Planned, series: Series, out: Path) -> tuple[str, ...]:
    """Names of the files. A plan of long tables needs more than one."""
    from importlib.metadata import version

    from pipeline.encode.page import picture_of_plan
    from pipeline.imaging.read import read_volume

    for old in (out / PICTURE, *out.glob("plan_[0-9].png")):  # of a plan before this one
        old.unlink(missing_ok=True)
    about = f"lantern plan, version {version('lantern-dicom')}: doses are estimates from contours"
    made = picture_of_plan(found, read_volume(series).volume, out / PICTURE, about)
    return tuple(path.name for path in made)


def _wishes(
    sessions: int | None, lock: list[str], exclude: list[str], first: list[str], setting: list[str]
) -> tuple[Wishes, Tables]:
    """Raises ConfigInvalid for what no course can have, and for tables that cannot be used: images are read later."""
    from pipeline.sessions.case import Tables, Wishes
    from pipeline.sessions.tables import read_limits, read_prescriptions

    given = dict(_setting(text) for text in setting)
    tables = Tables(**{key: given.pop(key) for key in TABLES if key in given})
    names = {"locked": _locks(lock), "excluded": frozenset(exclude), "first": frozenset(first)}
    wishes = Wishes(sessions=sessions, **names, **given)  # type: ignore[arg-type]
    read_limits(tables.limits), read_prescriptions(tables.prescriptions), tables.kernel()
    return wishes, tables


def _setting(text: str) -> tuple[str, Any]:
    key, separator, value = (part.strip() for part in text.partition("="))
    if not separator:
        raise typer.BadParameter(f"{text}: not KEY=VALUE", param_hint="--set")
    if key not in SETTINGS:
        raise typer.BadParameter(f"{key} is no key; there are {', '.join(SETTINGS)}", param_hint="--set")
    try:
        return key, SETTINGS[key](value)
    except ValueError:
        wanted = _KINDS[SETTINGS[key]]
        raise typer.BadParameter(f"{key} must be {wanted}, not {value!r}", param_hint="--set") from None


def _locks(given: list[str]) -> dict[str, int]:
    locks: dict[str, int] = {}
    for text in given:
        name, _, session = text.rpartition("=")
        if not name or not session.isdigit():
            raise typer.BadParameter(f"{text}: not LESION=SESSION", param_hint="--lock")
        if locks.setdefault(name, int(session)) != int(session):
            raise typer.BadParameter(f"{name} cannot be locked to two sessions", param_hint="--lock")
    return locks
