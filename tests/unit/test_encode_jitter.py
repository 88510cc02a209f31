"""Direction cosines that differ from image to image, as rounding makes them: one orientation in every object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from node.gate import judge
from pipeline.encode import encode
from tests.support.findings import STAMP, Grid, findings_on, spheres, write_classic

GRID = Grid((12, 40, 36), (2.0, 0.9, 0.7), "oblique")


@pytest.mark.parametrize("noise", [1e-7, 1e-5, 3e-4])
def test_rounded_cosines_cost_no_results(tmp_path: Path, noise: float) -> None:
    refs = write_classic(tmp_path, GRID)
    random = np.random.default_rng(1)
    for ref in refs:
        ds = dcmread(ref.path)
        ds.ImageOrientationPatient = [f"{float(v) + random.normal(0, noise):.9f}" for v in ds.ImageOrientationPatient]
        ds.save_as(ref.path)
    findings = findings_on(refs, GRID, spheres(GRID, ((5, 20, 18), 9.0)))
    judged = judge(encode(findings, STAMP), findings)
    assert {j.encoded.name for j in judged} >= {"SEG", "RTSTRUCT", "SR"}
    assert [j.fault for j in judged if j.fault] == []
