"""The estimated dose of one session -> Parametric Map (PS3.3 A.75), Gy as 32-bit floating point."""

from __future__ import annotations

from typing import Any

import highdicom as hd
from pydicom import Dataset

from pipeline.encode.codes import ABSORBED_DOSE, BRAIN, DOSE_ESTIMATE, GRAY
from pipeline.encode.common import Part, Stamp, date_and_time, dress, local_time, serial_number
from pipeline.encode.doses import Dose
from pipeline.encode.maps import finish
from pipeline.encode.source import Source
from pipeline.encode.standin import stand_in
from pipeline.encode.text import short
from pipeline.findings import Findings


def parametric_map(dose: Dose, findings: Findings, source: Source, stamp: Stamp) -> Dataset:
    """The PM of a session: one frame for each slice of the dose, in their order, uncompressed.

    Stored values are Gy. Each frame names the image that it lies on.
    """
    number, part = dose.session.number, Part.DOSE_MAP
    made_at = date_and_time(local_time(source, stamp))
    made = hd.pm.ParametricMap(
        source_images=[stand_in(source.frames[0], source, dose.volume, stamp.uid(part, "stand-in"))],
        pixel_array=dose.volume,
        series_instance_uid=stamp.uid(part, "series"),
        series_number=1,  # `dress` has the last word on series, equipment and patient
        sop_instance_uid=stamp.instance(part, number),
        instance_number=number,
        manufacturer="Lantern",
        manufacturer_model_name="Lantern",
        software_versions=stamp.software_version,
        device_serial_number=serial_number(findings.algorithm),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_in_gray(dose)],
        voi_lut_transformations=[_window(dose)],
        content_label=short(f"ESTIMATE_{number}_OF_{dose.of}", 16),
        content_description=short(dose.brief, 64),
        image_flavor=hd.pm.ImageFlavorValues.VOLUME,
        derived_pixel_contrast=hd.pm.DerivedPixelContrastValues.QUANTITY,
        specific_character_set=None,
    )
    made.ContentDate, made.ContentTime = made_at
    finish(made, part, source, stamp, said=dose.said, derived_by=DOSE_ESTIMATE, site=BRAIN)
    return dress(made, part, source, findings, stamp, number)


def _in_gray(dose: Dose) -> Any:
    return hd.pm.RealWorldValueMapping(
        lut_label="Gy",
        lut_explanation=short(f"{dose.brief}, Gy", 64),
        unit=GRAY,
        value_range=(0.0, max(float(dose.volume.array.max()), 1.0)),
        slope=1.0,
        intercept=0.0,
        quantity_definition=ABSORBED_DOSE,
    )


def _window(dose: Dose) -> Any:
    """From nothing to the highest dose of all sessions."""
    width = max(round(dose.highest_gy, 1), 1.0)
    return hd.VOILUTTransformation(window_center=width / 2, window_width=width)
