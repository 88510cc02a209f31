"""A series with results of ours on it, for tests of what comes back changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread

from pipeline.contract import Declined, Inputs
from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Edit, Findings
from pipeline.imaging.header import read_header, scan
from pipeline.imaging.read import read_volume
from pipeline.recipes.srs.corrections import CONTOURS, OWN, Corrected, corrected
from pipeline.recipes.srs.given import together
from pipeline.recipes.srs.meant import Brain
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic

GRID = Grid((24, 60, 60), (1.5, 1.0, 1.0))
LESIONS = (((6, 15, 15), 9.0), ((12, 40, 20), 7.0), ((17, 25, 45), 5.0))


class Room:
    """images/ and our SEG.dcm and RTSTRUCT.dcm on them."""

    def __init__(self, folder: Path, grid: Grid = GRID) -> None:
        self.folder, frames = folder, write_classic(folder / "images", grid, ContrastBolusAgent="Gd")
        self.found: Findings = findings_on(frames, grid, spheres(grid, *LESIONS))
        for e in encode(self.found, STAMP):
            (folder / f"{e.name}.dcm").write_bytes(to_bytes(e.dataset))
        (study,) = scan(folder / "images")
        self.series = study.series[0]
        self.image = read_volume(self.series).volume

    def ours(self, part: Part = Part.RTSTRUCT) -> Dataset:
        return dcmread(self.folder / f"{part.value}.dcm")

    def corrected(self, ds: Dataset, *, own: bool = True, brain: Brain = lambda: None) -> Corrected | Declined:
        ds.save_as(self.folder / "edited.dcm")
        series = {"t1c": self.series, CONTOURS: together([read_header(self.folder / "edited.dcm")])}
        if own:
            series[OWN] = together([read_header(self.folder / "RTSTRUCT.dcm")])
        return corrected(Inputs(series), self.image, brain)

    def point(self, *index: float) -> list[float]:
        """(slice, row, column) as LPS mm."""
        return (np.asarray(self.image.affine) @ (*index, 1))[:3].tolist()  # type: ignore[no-any-return]

    def head(self) -> np.ndarray:
        """A brain that fills the image but for its right half-inch."""
        brain = np.zeros(self.image.spatial_shape, bool)
        brain[:, :, :50] = True
        return brain


def made(answer: Corrected | Declined) -> Corrected:
    assert isinstance(answer, Corrected), answer
    return answer


def edits(answer: Corrected) -> dict[str, Edit]:
    return {c.label: c.edit for c in answer.corrections.changes}
