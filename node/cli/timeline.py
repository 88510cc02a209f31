"""lantern timeline: the lesions of a patient on all dates, from the reports that were made here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node.cli.app import Config, Json, example
from node.cli.show import show, show_json
from pipeline.core.errors import ConfigInvalid, NotFound

if TYPE_CHECKING:
    from pydicom import Dataset

    from node.timeline import Timeline


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    command = "lantern timeline ./results --picture timeline.png"
    app.command(epilog=example(command), rich_help_panel="What there is")(timeline)


def timeline(
    what: Annotated[str, typer.Argument(metavar="DIR|PATIENT", help="A folder with reports, or a Patient ID.")],
    patient: Annotated[str, typer.Option(help="Only this Patient ID, where a folder holds several patients.")] = "",
    picture: Annotated[Path | None, typer.Option(help="Draw volumes against dates to this PNG.")] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Show what became of each lesion: a row for each, a column for each date. RESEARCH USE ONLY, no assessment.

    Reads the reports (SR) that were made here: those below DIR, or those that this node keeps of PATIENT. Reports that
    a later one supersedes are left out. Sums of longest diameters run against the first date and against the smallest
    sum so far, in the words of RANO-BM. Exit code 0 done, 1 no report found, 2 wrong usage.
    """
    from node.timeline import as_data, reports_in, timelines

    folder = Path(what)
    found = timelines(reports_in(folder) if folder.exists() else _kept(what, config))
    found = tuple(t for t in found if not patient or t.patient_id == patient)
    if not found:
        raise NotFound(
            f"no report made here was found {'in' if folder.exists() else 'of the patient'} {what}",
            "give the folder that holds the SR files, or the Patient ID as the images have it",
        )
    if picture:
        _draw(found, picture)
    if as_json:
        show_json([as_data(t) for t in found])
        return
    for each in found:
        _show(as_data(each), several=len(found) > 1)
    if picture:
        typer.echo(f"the picture is {picture}")


def _kept(patient_id: str, config: Path | None) -> list[Dataset]:
    """The reports of a patient among the results; who a result is about stands in its file alone."""
    from node.timeline import reports
    from node.wiring import house_from
    from pipeline.core.result import Kind

    house = house_from(config)
    try:
        made = reversed(house.ledger.results(kind=Kind.SR))
        reports_of = {job: r for job, r in made if not r.fault}  # of several forms of one report the first
        paths = [house.archive.absolute(r.path) for r in reversed(reports_of.values())]
    finally:
        house.close()
    found = reports(p for p in paths if p.exists())
    return [ds for ds in found if str(ds.get("PatientID") or "").strip() == patient_id]


def _draw(found: Sequence[Timeline], png: Path) -> None:
    """One picture of one patient. Raises ConfigInvalid for several."""
    if len(found) > 1:
        raise ConfigInvalid(
            f"{len(found)} patients do not go into one picture", "choose one with --patient: " + _named(found)
        )
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    from pipeline.encode.timeline import draw_timeline
    from pipeline.findings import RESEARCH_USE_ONLY

    figure, axis = pyplot.subplots(figsize=(8, 5), facecolor="black")
    draw_timeline(axis, [a.visit for a in found[0].dates])
    figure.text(0.5, 0.01, RESEARCH_USE_ONLY, color="white", ha="center", fontsize=7)
    figure.savefig(png, dpi=150, facecolor="black")
    pyplot.close(figure)


def _named(found: Sequence[Timeline]) -> str:
    return ", ".join(t.patient_id or "(no Patient ID)" for t in found)


def _show(data: dict[str, Any], *, several: bool) -> None:
    of = f" of patient {data['patient_id']}" if several else ""
    dates = [d["date"] or "no date" for d in data["dates"]]
    columns = [f"{date} ({k + 1})" if dates.count(date) > 1 else date for k, date in enumerate(dates)]
    show(f"Lesions{of}", [_row(lesion, columns) for lesion in data["lesions"]], as_json=False, empty="none on any date")
    show(f"Dates{of}", [_summed(d) for d in data["dates"]], as_json=False)
    for remark in data["remarks"]:
        typer.echo(f"Note: {remark}")
    typer.echo(f"Note: {data['use']}.")


def _row(lesion: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    sizes = [_size(*of) for of in zip(lesion["sizes"], lesion["not_imaged"], strict=True)]
    change = "" if lesion["volume_percent"] is None else f"{lesion['volume_percent']:+.0f} %"
    if not lesion["seen_last"]:
        change = "merged" if lesion["belongs_to"] else "not imaged" if lesion["lost"] else "gone"
    return {
        "lesion": lesion["label"],
        **dict(zip(columns, sizes, strict=True)),
        "volume": change,
        "target": lesion["target"],
        "tracking UID": lesion["tracking_uid"],
    }


def _size(size: dict[str, float] | None, not_imaged: bool) -> str:
    if size is None:
        return "not imaged" if not_imaged else "-"
    whole = f"{size['volume_ml']:.2f} ml, {size['long_axis_mm']:.1f} mm"
    return f"{whole} (not whole)" if not_imaged else whole


def _summed(d: dict[str, Any]) -> dict[str, Any]:
    percents = [d[f"{of}_percent"] for of in ("baseline", "nadir")]
    baseline, nadir = ("" if p is None else f"{p:+.0f} %" for p in percents)
    return {
        "date": d["date"],
        "lesions": d["lesions"],
        "new": len(d["new"]),
        "sum mm": f"{d['sum_mm']:.1f}",
        "to baseline": baseline,
        "to nadir": nadir,
        "RANO-BM": f"{d['response']}: {d['words']}" if d["response"] else d["words"],
    }
