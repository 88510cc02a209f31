"""Studies to look at in a viewer: made-up heads and mammograms on disk, with results drawn on what is there."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydicom import dcmread
from scipy import ndimage

from pipeline.contract import Found
from pipeline.core.breast import Laterality
from pipeline.core.forms import DEFAULT_FORM, Coordinates, Form, Segments
from pipeline.datasets.mr_writer import write_volume
from pipeline.encode import encode, to_bytes
from pipeline.findings import Extra
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

    objects: path and SOP Instance UID of each result, by its name in the default form ("SEG", "RTSTRUCT", "SR", …),
             with the form behind it where it differs ("SR 2d").
    found:   what the results say.
    """

    study_uid: str
    images: tuple[Path, ...]
    objects: dict[str, tuple[Path, str]]
    found: Found

    @property
    def files(self) -> list[Path]:
        """Images and results."""
        return [*self.images, *(path for path, _ in self.objects.values())]

    def uid(self, name: str) -> str:
        """The SOP Instance UID of a result."""
        return self.objects[name][1]


FORMS = {"": DEFAULT_FORM, " labelmap": Form(segments=Segments.LABELMAP), " 2d": Form(coordinates=Coordinates.IMAGE)}


def scene(images: Sequence[Path], found: Found, folder: Path, forms: Sequence[str] = ("",)) -> Scene:
    """The results of `found` in these forms of FORMS, written to `folder`; each object once."""
    folder.mkdir(parents=True)
    stamp = replace(STAMP, seed=hashlib.sha256(images[0].read_bytes()).hexdigest())
    objects: dict[str, tuple[Path, str]] = {}
    for form in forms:
        for e in encode(found, replace(stamp, form=FORMS[form])):
            uid = str(e.dataset.SOPInstanceUID)
            if uid not in {known for _, known in objects.values()}:
                objects[e.name + form] = (folder / f"{e.name}{form}.dcm", uid)
                objects[e.name + form][0].write_bytes(to_bytes(e.dataset))
    study_uid = str(dcmread(images[0], specific_tags=["StudyInstanceUID"]).StudyInstanceUID)
    return Scene(study_uid, tuple(images), objects, found)


def head(folder: Path, orientation: Orientation, seed: int = 3) -> Scene:
    """A head with three lesions, two solid and a ring: their true outlines are the result, with a probability map."""
    made = t1c_phantom(seed, orientation=orientation, **HEAD)  # type: ignore[arg-type]
    images = write_volume(made.image, folder / "images")
    read = read_volume(only_series(folder / "images"))
    assert np.allclose(read.volume.affine, made.truth.affine, atol=1e-3)
    labels = read.volume.with_array(made.truth.array.astype(np.uint16))
    likely = labels.with_array(ndimage.gaussian_filter((labels.array > 0).astype(np.float32), (0.5, 1.0, 1.0)))
    found = findings_of(read.frames, labels, probability=likely, extras=frozenset({Extra.PROBABILITY_MAP}))
    return scene(images, sited(found), folder / "results", tuple(FORMS))


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
