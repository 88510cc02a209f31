"""The networks' probability, voxel by voxel -> Parametric Map (PS3.3 A.75), 16-bit steps of 0.001, RLE."""

from __future__ import annotations

from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import RLELossless

from pipeline.core.errors import OurFault
from pipeline.encode.codes import PROBABILITY_MAP
from pipeline.encode.common import Part, Stamp, brief, date_and_time, dress, local_time, revision, serial_number
from pipeline.encode.maps import along_normal, finish
from pipeline.encode.source import OFF_AXES, OFF_POSITION, Source
from pipeline.encode.standin import stand_in
from pipeline.encode.text import short
from pipeline.findings import Findings

STEP = 0.001
"""From one stored value to the next, a tenth of a percent."""

SAID = (
    "Probability of a lesion as the networks have it, the mean of their readings, voxel by voxel. It is not "
    "calibrated, and candidates that were turned down are in it. Outside of this box it is below 0.05 everywhere."
)


def probability_map(findings: Findings, probability: hd.Volume, source: Source, stamp: Stamp) -> Dataset:
    """The PM: a frame for each slice of `probability` (0…1, on the grid of the images or a box of it), in their order.

    The real world value is the stored one times STEP. Each frame names the image that it lies on.
    """
    volume, part = along_normal(probability), Part.PROBABILITY
    _check(probability, source)
    stored = np.rint(np.clip(volume.array.astype(np.float32), 0, 1) / STEP).astype(np.uint16)
    made = hd.pm.ParametricMap(
        source_images=[stand_in(source.frames[0], source, volume, stamp.uid(part, "stand-in"))],
        pixel_array=volume.with_array(stored),
        series_instance_uid=stamp.uid(part, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(part),
        instance_number=1,
        manufacturer="Lantern",
        manufacturer_model_name="Lantern",
        software_versions=stamp.software_version,
        device_serial_number=serial_number(findings.algorithm),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping()],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5 / STEP, window_width=1 / STEP)],
        content_label="PROBABILITY",
        content_description=brief(findings.algorithm, revision(findings, stamp)),
        image_flavor=hd.pm.ImageFlavorValues.VOLUME,
        derived_pixel_contrast=hd.pm.DerivedPixelContrastValues.QUANTITY,
        transfer_syntax_uid=RLELossless,
        specific_character_set=None,
    )
    made.ContentDate, made.ContentTime = date_and_time(local_time(source, stamp))
    finish(made, part, source, stamp, said=SAID, derived_by=PROBABILITY_MAP, site=findings.sought.site)
    dressed = dress(made, part, source, findings, stamp)
    dressed.file_meta.TransferSyntaxUID = RLELossless
    return dressed


def _mapping() -> Any:
    return hd.pm.RealWorldValueMapping(
        lut_label="PROBABILITY",
        lut_explanation=short("Probability of a lesion, mean of the networks, not calibrated", 64),
        unit=codes.UCUM.NoUnits,
        value_range=(0, round(1 / STEP)),
        slope=STEP,
        intercept=0.0,
        quantity_definition=codes.cid7180.FractionalProbabilisticSegmentation,
    )


def _check(box: hd.Volume, source: Source) -> None:
    """Raises OurFault for a map whose voxels are not those of the images."""
    affine, first = np.asarray(box.affine, float), source.frames[0]
    lengths = np.array(box.spacing)[1:]
    cosines = (affine[:3, [2, 1]] / lengths[::-1]).T.ravel()
    if np.abs(cosines - first.cosines).max() > OFF_AXES or np.abs(lengths / first.spacing_mm - 1).max() > OFF_AXES:
        raise OurFault("the map of probability is turned or scaled against the images")
    to_images = np.array([f.position for f in source.frames]) - affine[:3, 3]
    steps = np.linalg.solve(affine[:3, :3], to_images.T).T  # indices in the box of each image's first voxel
    for k in range(box.spatial_shape[0]):
        across, *along = steps[int(np.argmin(np.abs(steps[:, 0] - k)))] - (k, 0, 0)
        if max(abs(across), *(abs(v - round(v)) for v in along)) > OFF_POSITION:
            raise OurFault(f"slice {k} of the map of probability does not lie on an image of the series")
