"""lantern plan: which lesion in which session, from contours of any origin, with no server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.app import Json, example
from node.cli.show import complain, show, show_json
from pipeline.core.errors import ConfigInvalid, HeaderUnusable, OurFault

if TYPE_CHECKING:
    from pydicom import Dataset

    from pipeline.core.study import Instance, Series
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
    **TABLES,
}
"""What --set takes: see pipeline/sessions/case.py."""


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    command = "lantern plan --rtstruct RTSTRUCT.dcm --series ./t1c --lock BM02=1 --exclude BM05 --out ./plan"
    app.command(epilog=example(command), rich_help_panel="Without a server")(plan)


def plan(  # noqa: PLR0913, PLR0917  (options of a command line, each given by name)
    rtstruct: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The structure set with the lesions.")],
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

    Lesions are the ROIs of type GTV, or named like tumours, of a structure set from any system; a short name will do
    where it is clear (BM02 for BM02_L_FRONT).

    Doses are estimated from prescription, size and shape, and organs are an atlas', unless --dose and --organs bring
    those of a planning system. Limits and prescriptions are TOML files like those in pipeline/sessions.

    Exit code 0 done, 3 declined, 2 wrong usage, 1 what was given cannot be used.
    """
    from node.cli.progress import spinner
    from pipeline import registry
    from pipeline.contract import Declined, Planner, Runtime
    from pipeline.sessions.told import as_data, sentences

    ds, planner = _structure_set(rtstruct), registry.get("srs")
    if not isinstance(planner, Planner):
        raise OurFault("the pipeline srs plans no sessions")
    try:
        wishes, tables = _wishes(sessions, lock or [], exclude or [], first or [], setting or [])
        with spinner("sessions"):
            sent = _sent(dose or [], organs or [])
            found = planner.plan_contours(_series(series, ds), ds, wishes, tables, Runtime(), sent)
    except ConfigInvalid as error:
        complain(error)
        raise typer.Exit(2) from None
    if isinstance(found, Declined):
        if as_json:
            show_json({"outcome": "declined", "reason": found.reason})
        else:
            typer.echo(f"declined: {found.reason}")
        raise typer.Exit(3)
    data = {"outcome": "completed", **as_data(found.plan, found.case)}
    data["remarks"] = [*found.remarks, *data["remarks"]]
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_text(json.dumps(data, indent=2) + "\n")
    drawn = _draw(found, _series(series, ds), out) if picture else ()
    if as_json:
        show_json(data)
        return
    for sentence in (*sentences(found.plan), *found.remarks):
        typer.echo(sentence)
    _show(data)
    typer.echo(f"{', '.join((FILE, *drawn))} {'are' if drawn else 'is'} in {out}")


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
    from pipeline.sessions.case import Tables, Wishes

    given = dict(_setting(text) for text in setting)
    of_tables = {key: given.pop(key) for key in TABLES if key in given}
    names = {"locked": _locks(lock), "excluded": frozenset(exclude), "first": frozenset(first)}
    return Wishes(sessions=sessions, **names, **given), Tables(**of_tables)  # type: ignore[arg-type]


def _setting(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    kind = SETTINGS.get(key.strip())
    try:
        if not separator or kind is None:
            raise ValueError
        return key.strip(), kind(value.strip())
    except ValueError:
        raise typer.BadParameter(f"{text}: not KEY=VALUE with a key of the list", param_hint="--set") from None


def _locks(given: list[str]) -> dict[str, int]:
    locks = {}
    for text in given:
        name, _, session = text.rpartition("=")
        if not name or not session.isdigit():
            raise typer.BadParameter(f"{text}: not LESION=SESSION", param_hint="--lock")
        locks[name] = int(session)
    return locks


def _structure_set(file: Path) -> Dataset:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError
    from pydicom.uid import RTStructureSetStorage

    try:
        ds = dcmread(file)
    except InvalidDicomError as error:
        raise HeaderUnusable(f"{file} is no DICOM file", "give an RT Structure Set") from error
    if ds.get("SOPClassUID") != RTStructureSetStorage:
        raise HeaderUnusable(f"{file} is no RT Structure Set", "export the contours as RTSTRUCT")
    return ds


def _sent(doses: list[Path], organs: list[Path]) -> dict[str, Series]:
    """By role. Each place that was named must hold what it was named for; places of doses may hold their plans."""
    from pydicom.uid import RTDoseStorage, RTPlanStorage, RTStructureSetStorage

    from pipeline.core.study import Series

    asked = (("dose", doses, RTDoseStorage, "RT Dose"), ("organs", organs, RTStructureSetStorage, "RT Structure Set"))
    sent = {}
    for role, places, sop_class, what in asked:
        instances = [i for place in places for i in _instances(place, sop_class, what)]
        if instances:
            sent[role] = Series(instances[0].series_instance_uid, tuple(instances))
    if plans := [i for place in doses for i in _all(place, RTPlanStorage)]:
        sent["plans"] = Series(plans[0].series_instance_uid, tuple(plans))
    return sent


def _instances(place: Path, sop_class: str, what: str) -> list[Instance]:
    found = _all(place, sop_class)
    if not found:
        raise HeaderUnusable(f"{place} holds no {what}", "export it from the planning system as DICOM")
    return found


def _all(place: Path, sop_class: str) -> list[Instance]:
    from pipeline.imaging.header import scan

    return [i for study in scan(place) for i in study.instances if i.sop_class_uid == sop_class]


def _series(folder: Path, rtstruct: Dataset) -> Series:
    """The one that the contours name; the only image series where they name none that is there."""
    from pipeline.imaging.header import scan
    from pipeline.imaging.references import series_named

    images = [s for study in scan(folder) for s in study.series if s.modality in ("MR", "CT", "PT")]
    named = [s for s in images if s.series_instance_uid in series_named(rtstruct)]
    if named:
        return named[0]
    if len(images) == 1:
        return images[0]
    raise HeaderUnusable(
        f"none of the {len(images)} image series in {folder} is the one that the contours were drawn on",
        "give the folder of the series itself",
    )


def _show(data: dict[str, Any]) -> None:
    show("Sessions", [_session(s) for s in data["sessions"]], as_json=False)
    show("Sessions against V12", [_option(o, data["chosen"]) for o in data["curve"]], as_json=False)
    show("Compared", [_way(c) for c in data["compared"]], as_json=False)
    show("Why", [{"lesion": w["lesion"], "not in session": w["not_in"], "because": w["because"]} for w in data["why"]],
         as_json=False, empty="one session: nothing to explain")  # fmt: skip


def _session(s: dict[str, Any]) -> dict[str, Any]:
    several = {name: f"{name} ({k} of {n})" if n > 1 else name for name, (k, n) in s["fractions"].items()}
    organs = "; ".join(f"{name} {gy:.1f}" for name, gy in s["organs_gy"].items())
    lesions = ", ".join(several[name] for name in s["lesions"])
    return {
        "session": s["number"],
        "day": s["day"],
        "lesions": lesions,
        "V12 ml": f"{s['v12_ml']:.1f}",
        "organs Gy": organs,
        "minutes": f"{s['minutes']:.0f}",
    }


def _option(o: dict[str, Any], chosen: int) -> dict[str, Any]:
    return {
        "sessions": f"{o['sessions']}{' (proposed)' if o['sessions'] == chosen else ''}",
        "V12 ml": ", ".join(f"{v:.1f}" for v in o["v12_ml"]),
        "best": "proven" if o["proven"] else f"within {o['gap']:.0%}",
        "exceeds": " ".join(o["broken"]) or "nothing",
    }


def _way(c: dict[str, Any]) -> dict[str, Any]:
    return {
        "way": c["way"],
        "sessions": c["sessions"],
        "largest V12 ml": f"{c['v12_ml']:.1f}",
        "brain BED Gy": f"{c['brain_bed_gy']:.2f}",
    }
