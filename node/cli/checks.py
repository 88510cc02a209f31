"""Is it right? check, doctor, check-object, check-sr, routes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from node.cli.app import Config, Json, example
from node.cli.show import show, show_json

routes_app = typer.Typer(no_args_is_help=True, help="Routes: list, explain, test.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("lantern check --config lantern.toml"), rich_help_panel="Is it right?")(check)
    app.command(epilog=example("lantern doctor"), rich_help_panel="Is it right?")(doctor)
    epilog = example("lantern check-object results/*.dcm")
    app.command("check-object", epilog=epilog, rich_help_panel="Is it right?")(check_object)
    epilog = example("lantern check-sr cad.dcm --images study/")
    app.command("check-sr", epilog=epilog, rich_help_panel="Is it right?")(check_sr)
    app.add_typer(routes_app, name="routes", rich_help_panel="Is it right?")


def check(config: Config = None, as_json: Json = False) -> None:
    """Validate the configuration: every problem at once, with its line and a hint. Opens nothing."""
    from config.checks import remarks
    from node.options import pipeline_remarks
    from node.wiring import settings_from

    settings = settings_from(config)
    notes = [*remarks(settings), *pipeline_remarks(settings)]
    said = {
        "valid": True,
        "file": str(settings.source.file),
        "ae_titles": list(settings.called_ae_titles),
        "routes": len(settings.routes),
        "destinations": len(settings.destinations),
        "peers": len(settings.peers),
        "remarks": notes,
    }
    if as_json:
        show_json(said)
    else:
        typer.echo(
            f"{said['file']} is valid: {said['routes']} routes, {said['destinations']} destinations, "
            f"{said['peers']} peers; answers to {', '.join(settings.called_ae_titles)}"
        )
        for remark in notes:
            typer.echo(f"note: {remark}")


def doctor(config: Config = None, as_json: Json = False) -> None:
    """Look at everything the node depends on, and say what to do. Exit code 1 on trouble."""
    from node.doctor import examine
    from node.wiring import settings_from

    findings = examine(settings_from(config))
    rows = [{"what": f.what, "state": f.state.value, "found": f.found, "do": f.advice} for f in findings]
    show("Doctor", rows, as_json=as_json)
    if any(r["state"] == "bad" for r in rows):
        raise typer.Exit(1)


def check_object(
    files: Annotated[list[Path], typer.Argument(help="DICOM files of any kind.", exists=True, dir_okay=False)],
    dciodvfy: Annotated[
        str, typer.Option(help='Ask dciodvfy too: "auto" where it is installed, "off", or the path of the program.')
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Check DICOM objects as the gate does before they are sent. Exit code 1 where one breaks a rule.

    Value Representations, character sets, missing attributes, UIDs, pixel data, references and content of any DICOM
    file, each breach with attribute, place and rule; and what files of one study contradict each other in. No value of
    an attribute is shown. Whether an object shows what was found only `lantern analyze` and a node can tell.
    """
    from node.dciodvfy import find
    from node.object_check import checked

    program = find(dciodvfy)
    if dciodvfy not in ("auto", "off") and not program:
        raise typer.BadParameter(f"{dciodvfy} is no program that can be run", param_hint="--dciodvfy")
    rows = [
        {"file": str(c.path), "where": b.where, "breach": b.what, "rule": b.rule, "times": b.times}
        for c in checked(files, program)
        for b in (*c.breaches, *c.second)
    ]
    show("Breaches", rows, as_json=as_json, empty="none")
    if rows:
        raise typer.Exit(1)


def check_sr(
    report: Annotated[Path, typer.Argument(help="A Mammography CAD SR.", exists=True, dir_okay=False)],
    images: Annotated[
        list[Path] | None,
        typer.Option("--images", help="Images that it speaks of, files or folders: then coordinates are checked too."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a CAD report against its templates (PS3.16 TID 4000-4023) and its IOD. Exit code 1 where it has faults."""
    from node.sr_check import checked

    done = checked(report, images or [])
    rows = [{"where": f.where, "fault": f.what, "rule": f.rule} for f in done.faults]
    if done.unseen:
        said = f"note: {done.unseen} of {done.images} images were not given: coordinates on them were not checked"
        typer.echo(said, err=True)
    show(f"Faults of {report.name}", rows, as_json=as_json, empty="none")
    if rows:
        raise typer.Exit(1)


@routes_app.command("list", epilog=example("lantern routes list --json"))
def list_routes(config: Config = None, as_json: Json = False) -> None:
    """List the routes."""
    from node.wiring import settings_from

    rows = [
        {
            "name": r.name,
            "called_ae": list(r.called_ae) or ["any of the node's"],
            "pipeline": r.pipeline,
            "destinations": list(r.destinations),
            "quiet_period_s": r.quiet_period_s,
            "priority": r.priority,
            "late_images": r.late_images.value,
            "required_roles": list(r.required_roles),
            "verify_with": r.verify_with,
            "options": [f"{k}={v}" for k, v in r.options.items()],
        }
        for r in settings_from(config).routes
    ]
    show("Routes", rows, as_json=as_json, empty="none configured")


@routes_app.command("explain", epilog=example("lantern routes explain 1.2.840.113619.2.55.3.1"))
def explain_routes(
    study: Annotated[str, typer.Argument(help="A Study Instance UID that is here, or a folder with DICOM files.")],
    config: Config = None,
    called_ae: Annotated[str, typer.Option(help="For a folder: the AE title it would be sent to.")] = "",
    calling_ae: Annotated[str, typer.Option(help="For a folder: the AE title it would come from.")] = "ANY",
    as_json: Json = False,
) -> None:
    """Say rule by rule why a study does or does not run."""
    from node.explain import explain_folder, explain_study
    from node.wiring import house_from, settings_from

    if Path(study).exists():
        settings = settings_from(config)
        explained = explain_folder(settings.routes, Path(study), calling_ae, called_ae or settings.node.ae_title)
    else:
        house = house_from(config)
        explained = explain_study(house.ledger, house.archive, house.intake(), house.settings.routes, study)
    if as_json:
        show_json([e.as_dict() for e in explained])
        return
    for e in explained:
        typer.echo("\n".join(e.lines()))


@routes_app.command("test", epilog=example("lantern routes test --config new.toml"))
def test_routes(config: Config = None, as_json: Json = False) -> None:
    """Try the routes of a configuration on every study that is still here, without running anything.

    Shows what each route would do beside what was decided: the effect of a new rule before it is put to work.
    """
    from node.explain import rehearse
    from node.wiring import house_from

    house = house_from(config)
    rows: list[dict[str, Any]] = rehearse(house.ledger, house.archive, house.settings.routes)
    show("Routes on the studies that are here", rows, as_json=as_json, empty="no study is here")
