"""What the demonstration sends: made-up studies, with what was put into them, or somebody's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.core.errors import HeaderUnusable
from pipeline.core.study import Study

if TYPE_CHECKING:
    from pipeline.phantom import PhantomLesion


class Pipeline(StrEnum):
    """Which of the shipped pipelines is shown."""

    SRS = "srs"
    MAMMOGRAPHY = "mammography"


SEED, LESIONS, DIAMETERS_MM = 7, 4, (8.0, 26.0)
"""Of the made-up head: with so many lesions of these sizes one session would exceed the limit of V12."""

FOLDERS = {Pipeline.SRS: "series", Pipeline.MAMMOGRAPHY: "mammograms"}
"""Of the made-up images, beside the results: `lantern plan` and `lantern analyze` can be tried on them."""


@dataclass(frozen=True, slots=True)
class PutIn:
    """A finding of a made-up mammogram. center_px: (column, row) of the image as sent, as in `pipeline.marks`."""

    what: str
    role: str
    sop_instance_uid: str
    center_px: tuple[float, float]
    radius_px: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A study that is sent. lesions, findings: what was put in; None of somebody's own study."""

    pipeline: Pipeline
    study: Study
    lesions: tuple[PhantomLesion, ...] | None = None
    findings: tuple[PutIn, ...] | None = None


def own(folder: Path) -> list[Sample]:
    """The first study of a folder. Raises HeaderUnusable when there is none."""
    studies = _studies(folder)
    if not studies:
        raise HeaderUnusable(f"no DICOM image was found in {folder}", "give the folder that holds the series")
    is_mammogram = any(series.modality == "MG" for series in studies[0].series)
    return [Sample(Pipeline.MAMMOGRAPHY if is_mammogram else Pipeline.SRS, studies[0])]


def made_up(which: Sequence[Pipeline], out: Path) -> Iterator[Sample]:
    """Made-up studies, written to folders of `out`, one at a time."""
    makers = {Pipeline.SRS: _head, Pipeline.MAMMOGRAPHY: _mammograms}
    for pipeline in which:
        place = out / FOLDERS[pipeline]
        shutil.rmtree(place, ignore_errors=True)
        yield makers[pipeline](place)


def _studies(folder: Path) -> tuple[Study, ...]:
    from pipeline.imaging.header import scan  # noqa: PLC0415  (the command line names the pipelines, and starts fast)

    return scan(folder)


# The workshop is needed here alone: a node that serves a hospital never makes images up.
def _head(place: Path) -> Sample:
    from pipeline.datasets.mr_writer import write_volume  # noqa: PLC0415
    from pipeline.phantom import t1c_phantom  # noqa: PLC0415

    made = t1c_phantom(seed=SEED, lesions=LESIONS, diameters_mm=DIAMETERS_MM)
    write_volume(made.image, place)
    return Sample(Pipeline.SRS, _studies(place)[0], lesions=made.lesions)


def _mammograms(place: Path) -> Sample:
    from pipeline.core.breast import Laterality  # noqa: PLC0415
    from pipeline.datasets.mg_study import write_study  # noqa: PLC0415
    from pipeline.phantom.mammogram import Plan, Shape, mammogram_study  # noqa: PLC0415

    plans = (
        Plan(Shape.SPICULATED, Laterality.RIGHT, diameter_mm=16.0),
        Plan(Shape.CLUSTER, Laterality.LEFT, diameter_mm=12.0),
    )
    made = mammogram_study(SEED, plans)
    files = write_study(made, place)
    study = _studies(place)[0]
    uids = {i.path: i.sop_instance_uid for i in study.instances}
    findings = [
        PutIn(f.shape.value, view.role, uids[files[view.role]], view.hung_px(f.center_px), f.radius_px)
        for view in made.views
        for f in view.findings
    ]
    return Sample(Pipeline.MAMMOGRAPHY, study, findings=tuple(findings))
