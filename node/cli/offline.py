"""Commands that need no running node: analyze, convert, send, demo."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli import mammo
from node.cli.app import Json, example
from node.cli.show import complain, show, show_json
from node.demo_studies import Pipeline
from pipeline.core.errors import ConfigInvalid, HeaderUnusable, NotFound
from pipeline.datasets.mr_habits import Habit

if TYPE_CHECKING:
    from pipeline.core.study import Study

convert_app = typer.Typer(no_args_is_help=True, help="Turn images that were never DICOM into DICOM.")


class Exit(IntEnum):
    """Exit codes of `lantern analyze`."""

    COMPLETED = 0
    FAILED = 1
    USAGE = 2
    DECLINED = 3
    HELD_BACK = 4  #: completed, but at least one object is wrong and lies in quarantine


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    panel = "Without a server"
    app.command(epilog=example("lantern analyze ./cd --pipeline srs --out ./results"), rich_help_panel=panel)(analyze)
    app.command(epilog=example("lantern send ./series --to LANTERN@127.0.0.1:11112"), rich_help_panel=panel)(send)
    app.command(epilog=example("lantern demo --study ./series --out ./demo-out"), rich_help_panel=panel)(demo)
    mammo.register(convert_app)
    app.add_typer(convert_app, name="convert", rich_help_panel=panel)


def analyze(  # noqa: PLR0913, PLR0917  (options of a command line, each given by name)
    folder: Annotated[
        Path,
        typer.Argument(exists=True, help="A folder with DICOM files, or one file; or film scans (PNG, JPEG, TIFF)."),
    ],
    pipeline: Annotated[str, typer.Option(help="The pipeline to run.")],
    out: Annotated[Path, typer.Option(help="Folder for the objects and summary.json.")],
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="A pipeline option, KEY=VALUE (true, 3, text); may be given again."),
    ] = None,
    prior: Annotated[
        Path | None, typer.Option(exists=True, help="A folder with an earlier study, and our objects of it if there.")
    ] = None,
    side: Annotated[mammo.Side | None, typer.Option(help="Of film scans: the breast; else by name or guessed.")] = None,
    view: Annotated[str, typer.Option(help="Of film scans: CC, MLO, …; else by name or guessed.")] = "",
    spacing: Annotated[str, typer.Option(help="Of film scans: mm of a pixel, 0.05 or 0.05,0.05.")] = "",
    device: Annotated[str, typer.Option(help='"auto", "cpu", or a GPU such as "gpu:0".')] = "auto",
    picture: Annotated[bool, typer.Option("--picture", help="Draw picture.png too: findings outlined.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log the words of errors too; they may quote patient data.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a pipeline on files, with no server.

    Exit code 0 completed, 3 declined, 1 failed, 2 wrong usage, 4 completed with objects that the gate holds back: these
    are in --out/quarantine with the reasons, and not to be used.

    Writes the DICOM objects and summary.json (schema lantern.summary/1) to --out; with several studies in the folder,
    each to a folder of its own, and --json prints an array of summaries. Film scans become mammograms first, as
    `lantern convert film` makes them, in OUT/images.
    """
    import json

    from node.analyze import analyze as run
    from node.analyze import picture as paint
    from node.cli.progress import spinner
    from node.cli.unused import unused
    from node.dciodvfy import find
    from node.logs import set_up_logging
    from pipeline.execute import ExecutorOptions, make_executor
    from pipeline.imaging.header import scan

    set_up_logging("analyze", "debug" if verbose else "warning", as_json=False)
    options = _options(option or [])
    _expect_usable(pipeline, options)
    studies = scan(mammo.as_dicom(folder, out / "images", side, view, spacing))
    if not studies:
        raise HeaderUnusable(f"no DICOM image was found in {folder}", "give the folder that holds the series")
    priors = _priors(prior)
    executor = make_executor("inline", ExecutorOptions(device=device, threads=_cores()))
    codes, summaries = [], []
    for number, study in enumerate(studies, 1):
        place = out if len(studies) == 1 else out / f"study-{number}"
        with spinner(f"{pipeline}: study {number} of {len(studies)}"):
            done = run(study, pipeline, place, executor, options, priors=priors, dciodvfy=find("auto"))
            if picture and done.findings is not None and not done.held_back:
                paint(done, place)
        codes.append(Exit.HELD_BACK if done.held_back else Exit[done.outcome.upper()])
        for kept in done.held_back:
            typer.echo(f"Held back: {kept.path}: {kept.judged.fault}", err=True)
        summaries.append(json.loads((place / "summary.json").read_text()))
        used = {s["series_instance_uid"] for s in summaries[-1]["series"] if s["role"].startswith("prior")}
        for sentence in unused(study, priors, used):
            typer.echo(f"Note: {sentence}.", err=True)
        if not as_json:
            _say(summaries[-1], place, f"study {number}: " if len(studies) > 1 else "")
    executor.close()
    if as_json:
        show_json(summaries if len(studies) > 1 else summaries[0])
    raise typer.Exit(Exit.FAILED if Exit.FAILED in codes else max(codes))


def _priors(folder: Path | None) -> tuple[Study, ...]:
    """Earlier studies, the newest first. Raises HeaderUnusable when there is none."""
    from pipeline.imaging.header import scan

    if folder is None:
        return ()
    found = scan(folder)
    if not found:
        raise HeaderUnusable(f"no DICOM image was found in {folder}", "give the folder that holds the earlier study")
    return tuple(sorted(found, key=lambda study: str(study.series[0].get("StudyDate", "")), reverse=True))


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


def _options(given: list[str]) -> dict[str, object]:
    import tomllib

    options: dict[str, object] = {}
    for text in given:
        key, separator, value = text.partition("=")
        if not separator:
            raise typer.BadParameter(f"{text}: not KEY=VALUE", param_hint="--option")
        try:
            options[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except tomllib.TOMLDecodeError:
            options[key.strip()] = value  # a shell has taken the quotation marks
    return options


def _expect_usable(pipeline: str, options: Mapping[str, Any]) -> None:
    """Ask the pipeline about its options before anything is read, and end as wrong usage when it says no."""
    from pipeline import registry
    from pipeline.contract import algorithm_of

    try:
        algorithm_of(registry.get(pipeline), options)
    except (ConfigInvalid, NotFound) as error:
        complain(error)
        raise typer.Exit(Exit.USAGE) from None


def _say(summary: dict[str, Any], place: Path, which: str) -> None:
    typer.echo(f"{which}{_ended(summary, place)}")
    if summary["outcome"] == "completed":
        if "marks" in summary:
            _say_marks(summary)
        else:
            show("Findings", [_finding(f) for f in summary["findings"]], as_json=False, empty="none")
        if summary["rejected"]:
            show("Rejected candidates, not findings", [_rejected(f) for f in summary["rejected"]], as_json=False)
        if summary["follow_up"]:
            followed = [*summary["follow_up"]["changes"], *summary["follow_up"]["gone"]]
            show(
                "Since the earlier study", [{"label": c["label"], "what": c["words"]} for c in followed], as_json=False
            )
        if summary["corrections"]:
            changed = [{"outline": c["label"], "what": c["words"]} for c in summary["corrections"]["changes"]]
            show(f"Outlines by {summary['corrections']['by']}", changed, as_json=False)
        for remark in (*summary["remarks"], *(w for d in summary["doubts"] for w in _doubts(d))):
            typer.echo(f"Note: {remark}")
        drawn = ["picture.png"] if (place / "picture.png").exists() else []
        files = [*(o["file"] for o in summary["objects"]), *drawn]
        where = f"{', '.join(files)} and summary.json are" if files else "summary.json is"
        typer.echo(f"{where} in {place}")


def _ended(summary: dict[str, Any], place: Path) -> str:
    """How it ended; that objects are held back is said at once, not found out by who looks for them."""
    reason, held = summary["reason"], len(summary["quarantined"])
    if held:
        what = f"{held} object{'' if held == 1 else 's'} held back in {place / 'quarantine'}"
        reason = what if summary["objects"] else f"nothing may be used: {what}"
        return f"{summary['outcome']}, but {reason}"
    return f"{summary['outcome']}{': ' + reason if reason else ''}"


def _doubts(doubt: dict[str, Any]) -> list[str]:
    return [f"{doubt['file']}: {words}" for words in (*doubt["words"], *doubt["copied"])]


def _say_marks(summary: dict[str, Any]) -> None:
    """Marks and scores, 0-100 as in the reports; then what was not as it should be."""
    show("Marks", [_mark(m) for m in summary["marks"]], as_json=False, empty="none")
    scores = [{"what": b["laterality"], "score": f"{100 * b['score']:.1f}", "density": b["density"]} for b in
              summary["breasts"]]  # fmt: skip
    scores += [{"what": v["role"], "score": f"{100 * v['score']:.1f}", "density": ""} for v in summary["images"]]
    whole = {"what": "study", "score": f"{100 * summary['study_score']:.1f}", "density": ""}
    show("Suspicion, 0-100; no probability of cancer", [whole, *scores], as_json=False)
    for note in summary["quality"]:
        typer.echo(f"Quality, {note['role']}: {note['words']}")
    for unread in summary["unread"]:
        typer.echo(f"Not read: image {unread['sop_instance_uid']}: {unread['why']}")


def _mark(mark: dict[str, Any]) -> dict[str, object]:
    size = mark["long_axis_mm"]
    return {
        "label": mark["label"],
        "kind": mark["kind"],
        "view": mark["role"],
        "score of 100": f"{100 * mark['score']:.1f}",
        "size mm": "" if size is None else f"{size:.1f}",
        "centre px (column, row)": [f"{v:.1f}" for v in mark["center_px"]],
    }


def _described(found: dict[str, Any]) -> dict[str, object]:
    return {
        "label": found["label"],
        "site": found["site"] and found["site"]["words"],
        "volume mm3": found["volume_mm3"],
        "size mm": f"{found['long_axis_mm']:.1f} x {found['short_axis_mm']:.1f}",
        "probability": "" if found["probability"] is None else f"{found['probability']:.2f}",
    }


def _finding(found: dict[str, Any]) -> dict[str, object]:
    agreement = found["agreement"]
    centre = [f"{v:.1f}" for v in found["centroid_mm"]]
    return {
        **_described(found),
        "agreement": agreement if agreement is None else f"{agreement:.2f}",
        "centre mm (LPS)": centre,
    }


def _rejected(found: dict[str, Any]) -> dict[str, object]:
    verdict = found["verdict"] or {"barred": "", "against": [], "threshold": None}
    against = [*([verdict["barred"]] if verdict["barred"] else []), *(reason["words"] for reason in verdict["against"])]
    kept_from = "" if verdict["threshold"] is None else f"{verdict['threshold']:.2f}"
    return {**_described(found), "kept from": kept_from, "because": "; ".join(against)}


@convert_app.command("nifti", epilog=example("lantern convert nifti t1c.nii.gz --out ./series --contrast Gadobutrol"))
def convert_nifti(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A NIfTI file: one MR volume.")],
    out: Annotated[Path, typer.Option(help="Folder for the series.")],
    contrast: Annotated[str, typer.Option(help="The contrast agent that the patient had; empty for none.")] = "",
    vendor: Annotated[Habit, typer.Option(help="Whose header habits.")] = Habit.SIEMENS,
    spacing_mm: Annotated[
        str, typer.Option(help="True voxel size i,j,k in mm, where the header is known to be wrong.")
    ] = "",
) -> None:
    """Write a NIfTI MR volume as a DICOM series, as a scanner would."""
    from pipeline.datasets.nifti import Acquisition, write_series

    acquisition = Acquisition(vendor, contrast_agent=contrast)
    files = write_series(file, out, acquisition, spacing_mm=_spacing(spacing_mm))
    typer.echo(f"{len(files)} DICOM files are in {out}")


def _spacing(text: str) -> tuple[float, float, float] | None:
    if not text:
        return None
    try:
        i, j, k = (float(p) for p in text.split(","))
    except ValueError:
        said = f"{text}: not three numbers, for example 0.94,0.94,6"
        raise typer.BadParameter(said, param_hint="--spacing-mm") from None
    return i, j, k


def send(
    folder: Annotated[Path, typer.Argument(exists=True, help="A folder with DICOM files, or one file.")],
    to: Annotated[str, typer.Option(help="AE_TITLE@HOST:PORT of a DICOM node.")],
    calling_ae: Annotated[str, typer.Option(help="The AE title to call with.")] = "LANTERN_SEND",
    as_json: Json = False,
) -> None:
    """Send files to a DICOM node by C-STORE, as a scanner or PACS would. Exit code 1 when one was not taken."""
    from node.cli.progress import bar
    from node.scu import Status
    from node.scu import send as c_store
    from pipeline.core.route import Destination
    from pipeline.imaging.header import scan

    ae, _, address = to.partition("@")
    host, _, port = address.rpartition(":")
    if not (ae and host and port.isdigit()):
        raise ConfigInvalid(f"--to {to}: not AE_TITLE@HOST:PORT", "for example: --to LANTERN@127.0.0.1:11112")
    paths = sorted({i.path for study in scan(folder) for i in study.instances})
    if not paths:
        raise HeaderUnusable(f"no DICOM file was found in {folder}", "give a DICOM file, or the folder that holds them")
    with bar(f"to {to}", len(paths)) as advance:
        peer = Destination(f"{ae} at {host}:{port}", ae, host, int(port))
        outcomes = c_store(peer, paths, calling_ae=calling_ae, on_tick=advance)
    refused = [o for o in outcomes if o.status is not Status.ACCEPTED]
    rows = [{"sop_instance_uid": o.sop_instance_uid, "status": o.status.value, "detail": o.detail} for o in outcomes]
    if as_json:
        show_json(rows)
    else:
        show("Not taken", [r for r in rows if r["status"] != "accepted"], as_json=False, empty="none")
        typer.echo(f"{len(outcomes) - len(refused)} of {len(outcomes)} files taken by {to}")
    if refused:
        raise typer.Exit(1)


def demo(
    study: Annotated[Path | None, typer.Option(help="Your own series or mammograms instead of synthetic ones.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the results, the pictures and the log.")] = Path("demo-out"),
    only: Annotated[Pipeline | None, typer.Option(help="Only the synthetic study of this pipeline.")] = None,
) -> None:
    """Show the main job from end to end, over the real network path, with a stand-in PACS; then stop everything.

    Two synthetic studies are sent: a head with metastases, and four mammograms. It takes some minutes without a GPU.

    Exit code 3 when your study was declined, or no route takes it; then the reason is said at once.
    """
    from node.demo import run_demo

    run_demo(study, out, only)
