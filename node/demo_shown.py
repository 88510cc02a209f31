"""What the demonstration shows: objects, lesions and sessions or marks as tables, and pictures beside them."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import typer
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import MammographyCADSRStorage, SecondaryCaptureImageStorage

from node.cli.show import show
from node.demo_studies import Pipeline, PutIn, Sample
from node.picture import draw
from node.told import Told, ToldSession, sessions_told, told
from node.told_marks import ToldMark, marks_told
from pipeline.core.errors import PipelineFailed
from pipeline.core.job import Job, State
from pipeline.findings import RESEARCH_USE_ONLY
from pipeline.imaging.mammogram.study import select_views
from pipeline.imaging.structures import structures
from pipeline.sessions.told import NOT_FOR_TREATMENT

if TYPE_CHECKING:
    from pipeline.phantom import PhantomLesion


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demonstration came to.

    job:      what ran; or, in words, why nothing did.
    received: the folder with what the PACS was sent.
    """

    job: Job | str
    sample: Sample
    received: Path
    out: Path


def show_demo(s: Shown) -> None:
    """Print tables, and leave pictures in `s.out`. Raises PipelineFailed; ends with 3 where the study was declined."""
    study, job = s.sample.study, s.job
    typer.echo(f"\n{'study' if isinstance(job, str) else job.work.pipeline}: {len(study.instances)} images")
    if isinstance(job, str):
        here = ", ".join(sorted({series.modality for series in study.series}))
        _decline(f"{job}. The demo runs contrast-enhanced MR of heads, and mammograms (MG); this study has {here}.")
    if job.state is State.DECLINED:
        _decline(job.reason)
    if job.state is not State.DELIVERED:
        raise PipelineFailed(f"the job is {job.state.value}: {job.reason}", f"see {s.out / 'node.log'}")
    objects = [(p, dcmread(p)) for p in sorted(s.received.iterdir())]
    objects = [(p, ds) for p, ds in objects if ds.StudyInstanceUID == study.study_instance_uid]
    _show_objects(objects)
    if job.work.pipeline == Pipeline.MAMMOGRAPHY:
        pages = _marks_shown(s, [ds for _, ds in objects])
    else:
        pages = _lesions_shown(s, objects, job)
    typer.echo(f"\nPictures: {', '.join(pages)} in {s.out}; the objects are in {s.received}.")


def _decline(reason: str) -> NoReturn:
    typer.echo(f"declined: {reason}")
    raise SystemExit(3)


def _marks_shown(s: Shown, objects: list[Dataset]) -> list[str]:
    report = next(ds for ds in objects if ds.SOPClassUID == MammographyCADSRStorage)
    views = select_views(s.sample.study).views
    roles = {image.instance.sop_instance_uid: role for role, image in views.items()}
    marks = [m for m in marks_told(report) if m.presented]
    show("Marks, as the Mammography CAD SR says", [_mark(m, roles) for m in marks], as_json=False, empty="none")
    if s.sample.findings is not None:
        rows = [_found_as(put_in, marks) for put_in in s.sample.findings]
        show("What was put into these made-up mammograms", rows, as_json=False)
    return write_pages(objects, s.out, "mammography")


def _mark(mark: ToldMark, roles: Mapping[str, str]) -> dict[str, str]:
    column, row = mark.center_px
    return {
        "view": roles.get(mark.sop_instance_uid, mark.sop_instance_uid),
        "kind": mark.kind,
        "score of 100": f"{mark.certainty:.0f}",
        "centre, px (column, row)": f"{column:.0f}, {row:.0f}",
    }


def _found_as(put_in: PutIn, marks: Sequence[ToldMark]) -> dict[str, str]:
    def is_at(mark: ToldMark) -> bool:
        same = mark.sop_instance_uid == put_in.sop_instance_uid
        return same and math.dist(mark.center_px, put_in.center_px) <= put_in.radius_px

    found = [f"{mark.kind}, {mark.certainty:.0f} of 100" for mark in marks if is_at(mark)]
    return {"view": put_in.role, "put in": put_in.what, "found as": "; ".join(found) or "not found"}


def _lesions_shown(s: Shown, objects: list[tuple[Path, Dataset]], job: Job) -> list[str]:
    report = next(p for p, ds in objects if ds.Modality == "SR")
    _show_lesions(dcmread(report))
    rtstruct = next((p for p, ds in objects if ds.Modality == "RTSTRUCT"), None)
    if s.sample.lesions is not None:
        _compare(s.sample.lesions, dcmread(rtstruct) if rtstruct else None)
    _show_sessions(dcmread(report))
    images = _used(s.sample, job)
    pages = write_pages([ds for _, ds in objects], s.out)
    if images:
        draw(rtstruct, images, s.out / "results.png", RESEARCH_USE_ONLY, report=report)
        pages = ["results.png", *pages]
    if rtstruct and images:
        asked = ("--rtstruct", str(rtstruct), "--series", _folder(images), "--out", str(s.out / "plan"), "--picture")
        typer.echo("\nPlan anew, with wishes of your own (--sessions, --lock, --exclude, ...):")
        typer.echo(f"  {shlex.join((_lantern(), 'plan', *asked))}")
    return pages


def _used(sample: Sample, job: Job) -> list[Path]:
    used = set(job.work.series_instance_uids)
    return [i.path for i in sample.study.instances if i.series_instance_uid in used and i.path.exists()]


def _folder(images: Sequence[Path]) -> str:
    return os.path.commonpath([p.parent for p in images])


def _lantern() -> str:
    """As it was called: `make demo` puts it into an environment that the shell does not know."""
    beside = Path(sys.executable).with_name("lantern")
    return os.path.relpath(beside) if beside.exists() else "lantern"


def _show_sessions(sr: Dataset) -> None:
    """The plan, as the SR has it; the warning comes first."""
    rows = [_session(session) for session in sessions_told(sr)]
    if not rows:
        return
    typer.echo(f"\n{NOT_FOR_TREATMENT}.")
    show("Proposed sessions, as the SR says", rows, as_json=False)


def _session(session: ToldSession) -> dict[str, str]:
    each = (
        f"{t.label.split('_')[0]} {t.gy:g} Gy{f' ({t.fraction} of {t.fractions})' if t.fractions > 1 else ''}"
        for t in session.treated
    )
    return {
        "session": str(session.number),
        "day": str(session.day),
        "lesions and what each gets (estimate)": ", ".join(each),
        "V12 ml": f"{session.v12_ml:.1f}",
        "minutes": f"{session.minutes:.0f}",
    }


def write_pages(objects: Sequence[Dataset], out: Path, prefix: str = "") -> list[str]:
    """The summary, of which viewers show every page, as PNG; names of the files. Those of a run before are removed."""
    from PIL import Image  # noqa: PLC0415  (only a picture needs it)

    start = f"{prefix}-page" if prefix else "page"
    for old in out.glob(f"{start}-[0-9]*.png"):
        old.unlink()
    made = []
    for ds in sorted((ds for ds in objects if ds.SOPClassUID == SecondaryCaptureImageStorage), key=_number):
        made.append(f"{start}-{_number(ds)}.png")
        Image.fromarray(ds.pixel_array).save(out / made[-1])
    return made


def _number(ds: Dataset) -> int:
    return int(ds.get("InstanceNumber") or 0)


def _show_objects(objects: Sequence[tuple[Path, Dataset]]) -> None:
    rows = [
        {"object": str(ds.SOPClassUID.name), "series": str(ds.get("SeriesDescription", "")), "file": str(p)}
        for p, ds in objects
    ]
    show("The PACS received", rows, as_json=False)


def _show_lesions(sr: Dataset) -> None:
    lesions, rejected = _lesions(sr)
    show("Lesions, as the SR says", lesions, as_json=False, empty="none")
    if rejected:
        show("Rejected candidates, not lesions", rejected, as_json=False)


def _compare(put_in: tuple[PhantomLesion, ...], rtstruct: Dataset | None) -> None:
    """Say of each lesion of the made-up head whether it was outlined, and which outlines have none in them."""
    outlines = _outlines(rtstruct) if rtstruct else {}
    right: set[str] = set()
    rows = []
    for lesion in put_in:
        centre, reach_mm = np.array(lesion.centre_mm), max(lesion.diameter_mm / 2, 2.0)
        found = [name for name, points in outlines.items() if _distance_mm(points, centre) <= reach_mm]
        right.update(found)
        size = f"{lesion.diameter_mm:.0f}"
        rows.append({"put in": lesion.number, "diameter mm": size, "found as": ", ".join(found) or "not found"})
    show("What was put into this made-up head", rows, as_json=False)
    wrong = sorted(outlines.keys() - right)
    if wrong:
        typer.echo(f"Nothing was put in at {', '.join(wrong)}: found wrongly.")


def _outlines(rtstruct: Dataset) -> dict[str, NDArray[np.float64]]:
    """All contour points in LPS mm, (n, 3), by ROI name."""
    return {roi.name: np.concatenate(roi.contours) for roi in structures(rtstruct)}


def _distance_mm(points: NDArray[np.float64], centre: NDArray[np.float64]) -> float:
    """From the middle of an outline's box."""
    return float(np.linalg.norm((points.min(axis=0) + points.max(axis=0)) / 2 - centre))


def _lesions(sr: Dataset) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows for lesions and for rejected candidates, from the content tree of the SR alone."""
    found = told(sr)
    lesions = [
        {
            **_row(t),
            "agreement": "" if t.agreement is None else f"{t.agreement:.0%}",
            "nearest structure": t.nearest,
        }
        for t in found
        if not t.rejected
    ]
    return lesions, [{**_row(t), "because": "; ".join(t.against)} for t in found if t.rejected]


def _row(t: Told) -> dict[str, str]:
    return {
        "label": t.label,
        "site": t.site,
        "volume mm3": f"{t.volume_mm3:.0f}",
        "size mm": f"{t.size_mm[0]:.1f} x {t.size_mm[1]:.1f}",
        "probability": "" if t.certainty is None else f"{t.certainty:.0%}",
    }
