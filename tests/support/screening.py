"""Four-view studies of drawn breasts with one bright lesion in the left breast, and a tiny model that finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.core.breast import Laterality
from pipeline.datasets.mg_writer import Edge, MgAcquisition, MgHabit, write_mammogram
from tests.support.breasts import SPACING, hung, orientation
from tests.support.bundles import planar, torchscript

ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")
CENTERS = {"L-CC": (210.0, 350.0), "L-MLO": (230.0, 420.0)}
"""(column, row) of the lesion in the image as sent."""
RADIUS = 14.0
"""Pixels; 3.5 mm."""
SIZE = (800, 560)


def picture(role: str, lesion: bool = True) -> NDArray[np.uint16]:
    """12 bits, as the view hangs: half an ellipse, brighter towards its middle; nothing is as bright as the lesion."""
    side = role.split("-", maxsplit=1)[0]
    rows, columns = np.indices(SIZE) + 0.5
    depth = 1 - ((rows / SIZE[0] - 0.5) / 0.42) ** 2 - (columns / SIZE[1] / 0.72) ** 2
    made = np.where(depth > 0, 4095 * (0.1 + 0.5 * depth), 0).astype(np.uint16)
    if lesion and role in CENTERS:
        made[np.hypot(columns - CENTERS[role][0], rows - CENTERS[role][1]) < RADIUS] = 4095
    return np.ascontiguousarray(hung(Laterality(side)).array(made))


def write_view(path: Path, role: str, *, lesion: bool = True, more: dict[str, Any] | None = None, **said: Any) -> Path:
    """One view as a mammograph writes it."""
    side, view = Laterality(role[0]), role.split("-")[1]
    shown = said.pop("picture", None)
    tags = {"PatientOrientation": orientation(side, view, hung(side)), **(more or {})}
    said = {"habit": MgHabit.HOLOGIC, "spacing_mm": SPACING, "study": "screening", "patient_id": "SCREENED"} | said
    wall = Edge.LEFT if side is Laterality.LEFT else Edge.RIGHT
    made = MgAcquisition(side, view, chest_wall=wall, more=tags, **said)
    write_mammogram(picture(role, lesion) if shown is None else shown, path, made)
    return path


def write_study(folder: Path, roles: tuple[str, ...] = ROLES, **said: Any) -> Path:
    """All views of one study."""
    for number, role in enumerate(roles, 1):
        write_view(folder / f"{role}.dcm", role, instance_number=number, **said)
    return folder


class Spot(torch.nn.Module):
    """A logit for each pixel: above 0 where 2 mm are brighter than 16 mm around by 0.3 of what can be displayed."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        near = torch.nn.functional.avg_pool2d(image, 5, 1, 2, False, False)
        return (near - torch.nn.functional.avg_pool2d(image, 41, 1, 20, False, False) - 0.3) * 40.0


def spot_model(folder: Path) -> Path:
    """A TorchScript bundle of it, with its kind."""
    return torchscript(folder, Spot(), name="Spot of ours", **planar(output__kinds=["mass"]))
