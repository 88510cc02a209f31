"""Tier T0: phantoms of `pipeline.phantom`, the generator of part of the training, from seeds it never drew."""

from __future__ import annotations

from functools import partial

from pipeline.evaluation.cases.case import Case, Entry, make_case
from pipeline.phantom import t1c_phantom
from pipeline.phantom.phantom import Orientation

Spec = tuple[Orientation, int, tuple[int, int, int], tuple[float, float, float]]

PHANTOMS: tuple[Spec, ...] = (
    ("axial", 9001, (180, 256, 256), (1.0, 1.0, 1.0)),
    ("oblique", 9002, (180, 256, 256), (1.0, 1.0, 1.0)),
    ("sagittal", 9003, (180, 256, 256), (1.0, 1.0, 1.0)),
    ("axial", 9004, (60, 256, 256), (3.0, 0.94, 0.94)),
    ("axial", 9005, (30, 256, 256), (6.0, 0.94, 0.94)),
)
"""Orientation, seed, shape and spacing in mm."""

LESIONS, DIAMETERS_MM = 6, (3.0, 22.0)


def phantom_entries(specs: tuple[Spec, ...] = PHANTOMS) -> list[Entry]:
    """The phantoms, each another head."""
    return [Entry(_name(spec), "T0", partial(_load, spec)) for spec in specs]


def _name(spec: Spec) -> str:
    return f"phantom-{spec[1]}-{spec[0]}-{spec[3][0]:g}mm"


def _load(spec: Spec) -> Case:
    orientation, seed, shape, spacing = spec
    made = t1c_phantom(
        seed, shape=shape, spacing_mm=spacing, orientation=orientation, lesions=LESIONS, diameters_mm=DIAMETERS_MM
    )
    return make_case(_name(spec), f"phantom-{seed}", "T0", made.image, made.truth.array, drawn="tumour")
