"""Studies to look at in a viewer: made-up heads and mammograms on disk, with results drawn on what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.contract import Found
from pipeline.core.breast import Laterality
from pipeline.core.forms import DEFAULT_FORM, Form
from pipeline.datasets.mr_writer import write_volume
from pipeline.encode import encode, to_bytes
from pipeline.imaging.header import read_header
from pipeline.imaging.read import read_volume
from pipeline.marks import Attempt, Mark, MarkedStudy, Outcome, View
from pipeline.marks import Kind as MarkKind
from pipeline.phantom import t1c_phantom
from pipeline.phantom.phantom import Orientation
from tests.support.findings import STAMP, findings_of, sited
from tests.support.mammograms import mark, unmarked
from tests.support.mr import only_series
from tests.support.screening import CENTERS, RADIUS, SIZE, SPACING, write_study

HEAD = {"shape": (40, 128, 128), "spacing_mm": (4.0, 1.8, 1.8), "lesions": 3, "diameters_mm": (14.0, 22.0)}
"""A head of which a browser on two cores loads all images at once."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A study and its results as files.

    images, results: paths; objects: SOP Instance UID of each result by name ("SEG", "RTSTRUCT", "SR", …).
    found:           what the results say.
    """

    study_uid: str
    images: tuple[Path, ...]
    results: tuple[Path, ...]
    objects: dict[str, str]
    found: Found


def scene(images: Sequence[Path], found: Found, folder: Path, form: Form = DEFAULT_FORM) -> Scene:
    """The results of `found` in a form, written to `folder`."""
    assert form == DEFAULT_FORM
    folder.mkdir(parents=True)
    made = encode(found, replace(STAMP, seed=hashlib.sha256(images[0].read_bytes()).hexdigest()))
    paths = [folder / f"{e.name}.dcm" for e in made]
    for path, e in zip(paths, made, strict=True):
        path.write_bytes(to_bytes(e.dataset))
    uids = {e.name: str(e.dataset.SOPInstanceUID) for e in made}
    return Scene(str(made[0].dataset.StudyInstanceUID), tuple(images), tuple(paths), uids, found)


def head(folder: Path, orientation: Orientation, seed: int = 3) -> Scene:
    """A head with three lesions, two solid and a ring, whose true outlines are the result."""
    made = t1c_phantom(seed, orientation=orientation, **HEAD)  # type: ignore[arg-type]
    images = write_volume(made.image, folder / "images")
    read = read_volume(only_series(folder / "images"))
    assert np.allclose(read.volume.affine, made.truth.affine, atol=1e-3)
    labels = read.volume.with_array(made.truth.array.astype(np.uint16))
    return scene(images, sited(findings_of(read.frames, labels)), folder / "results")


def mammogram(folder: Path) -> Scene:
    """Two views of a left breast with a mass, outlined on each."""
    write_study(folder / "images", roles=tuple(CENTERS))
    paths = [folder / "images" / f"{role}.dcm" for role in CENTERS]
    views = tuple(_view(path, role) for path, role in zip(paths, CENTERS, strict=True))
    marks = tuple(_mark(number, role) for number, role in enumerate(CENTERS, 1))
    attempts = (Attempt(MarkKind.MASS, Outcome.SUCCEEDED, tuple(CENTERS)),)
    study: MarkedStudy = unmarked(views, marks=marks, attempts=attempts, breasts=(), heat={})
    return scene(paths, study, folder / "results")


def _view(path: Path, role: str) -> View:
    header = read_header(path)
    side, view = role.split("-")
    return View(
        role, Laterality(side), view, header.sop_instance_uid, header.sop_class_uid, path, *SIZE, SPACING, score=0.7
    )


def _mark(number: int, role: str) -> Mark:
    around = np.linspace(0, 2 * np.pi, 25)[:-1]
    column, row = CENTERS[role]
    outline = tuple((column + RADIUS * float(np.cos(a)), row + RADIUS * float(np.sin(a))) for a in around)
    return mark(number, role, center=CENTERS[role], outline_px=outline, long_axis_mm=2 * RADIUS * SPACING[0])
