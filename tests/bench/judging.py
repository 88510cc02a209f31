"""40 candidates through model 2 on one core, against pyradiomics as it is called by default: on the whole image."""

from __future__ import annotations

import logging
import time

import numpy as np
import SimpleITK as sitk
from radiomics.featureextractor import RadiomicsFeatureExtractor
from threadpoolctl import threadpool_limits

from pipeline.phantom import t1c_phantom
from pipeline.radiomics.features import measure
from pipeline.recipes.srs.anatomy import anatomy_of
from pipeline.recipes.srs.params import RADIOMICS
from pipeline.recipes.srs.weights import load_classifier

CANDIDATES, SAMPLE = 40, 4
READINGS = ("agreement", "volume_peak", "slices_peak")


def judging() -> None:
    """Print seconds and the ratio."""
    made = t1c_phantom(71, lesions=CANDIDATES, diameters_mm=(4.0, 14.0))
    head = anatomy_of(made.image, threads=1)
    assert head is not None
    image = made.image.with_array(np.asarray(made.image.array, np.float32))
    count = int(made.truth.array.max())
    model = load_classifier()
    with threadpool_limits(1):  # threads that wait count as processor time, too
        began = time.process_time()
        table = measure(image, made.truth, RADIOMICS, None, head.brain, head.atlas_mm)
        model.verdicts(table.with_columns({name: np.full(count, np.nan) for name in READINGS}))
        ours = (time.process_time() - began) * CANDIDATES / count

    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(binWidth=10, verbose=False)
    extractor.enableImageTypes(Original={}, LoG={"sigma": [1.0, 2.0, 3.0]})
    began = time.process_time()
    for number in range(1, SAMPLE + 1):
        mask = (made.truth.array == number).astype(np.uint8)
        extractor.execute(sitk.GetImageFromArray(image.array), sitk.GetImageFromArray(mask))
    theirs = (time.process_time() - began) * CANDIDATES / SAMPLE
    print(
        f"{CANDIDATES} candidates through model 2: {ours:.1f} s of one core; pyradiomics on whole images "
        f"{theirs:.0f} s (from {SAMPLE}); ratio {ours / theirs:.3f}"
    )
