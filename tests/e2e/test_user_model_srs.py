"""`lantern analyze --pipeline srs` with a user's own model in the place of the first: it finds, results name it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from pipeline.datasets.nifti import write_volume
from pipeline.phantom import t1c_phantom
from tests.support import node as n
from tests.support.bundles import Level, monai_bundle, torchscript
from tests.support.heads import THICK

GRID = {"input__orientation": "SPL", "input__spacing_mm": [THICK["spacing_mm"][0], *THICK["spacing_mm"][1:]]}  # type: ignore[index, misc]


@pytest.mark.parametrize("form", ["torchscript", "monai-bundle"])
def test_srs_reads_with_a_users_model_and_every_result_names_it(tmp_path: Path, form: str):
    made = t1c_phantom(101, lesions=3, diameters_mm=(15.0, 25.0), **THICK)  # type: ignore[arg-type]
    bright = made.image.array.copy()
    bright[made.truth.array > 0] = 1.5 * bright.max()  # so that a level finds these and nothing else
    write_volume(made.image.with_array(bright), tmp_path / "series")
    if form == "torchscript":
        bundle = torchscript(tmp_path / "net", Level(0.8), **GRID)
    else:
        bundle = monai_bundle(tmp_path / "net", 0.8, **GRID)
    out = tmp_path / "out"
    option = f"bundle={json.dumps(str(bundle))}"
    done = n.here(
        "analyze", str(tmp_path / "series"), "--pipeline", "srs", "--out", str(out), "--device", "cpu", "-o", option
    )
    assert done.returncode == 0, done.stdout + done.stderr
    model = json.loads((out / "summary.json").read_text())["model"]
    assert (model["name"], model["evidence_tier"]) == ("Level of ours", "T0: made in a test")
    assert model["version"].startswith("3.1+")
    seg = dcmread(out / "SEG.dcm")
    names = {s.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName for s in seg.SegmentSequence}
    assert names == {"Level of ours"}
    assert "Level of ours" in " ".join(str(e.value) for e in dcmread(out / "SR.dcm").iterall() if e.VR != "SQ")
    # Holes of the made-up lesions are filled by the recipe, hence no equality.
    drawn, there = int(np.count_nonzero(seg.pixel_array)), int(np.count_nonzero(made.truth.array))
    assert there <= drawn < 1.2 * there
