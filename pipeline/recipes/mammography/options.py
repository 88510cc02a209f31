"""What a route may set for the recipe `mammography`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.core.errors import ConfigInvalid
from pipeline.marks import Shown

RATES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Operating points: false positives per image in cross-validation."""

OPTIONS: Mapping[str, bool | float | str] = {
    "operating_point": 1.0,
    "threshold": 0.0,
    "bundle": "",
    "heat_map": True,
    "page": True,
    "gsps": True,
    "cad_sr": True,
}
"""With defaults; whatever changes what is read is said in the results.

operating_point: marks are shown from the score on that gave so many false positives per image in cross-validation.
threshold:       in its place a score, 0…1; 0 leaves it to the operating point.
bundle:          the folder of a model of your own that takes the place of the detectors (pipeline/bundle/README.md).
heat_map:        whether pages show where the detectors are suspicious.
page:            whether pages to look at are written as Secondary Captures.
gsps:            whether marks are written as presentation states, which viewers lay over the images.
cad_sr:          whether a Mammography CAD SR is written. The report (TID 1500) always is.
"""


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with defaults filled in. Raises ConfigInvalid with every problem, one a line."""
    problems = [f"unknown option {k!r}" for k in sorted(options.keys() - OPTIONS.keys())]
    for key, default in OPTIONS.items():
        value = options.get(key, default)
        wanted = (int, float) if type(default) is float else (type(default),)
        if type(value) not in wanted:
            problems.append(f"{key} must be {_WANTED[type(default)]}, not {value!r}")
    checked = {**OPTIONS, **options}
    if not problems and checked["operating_point"] not in RATES:
        problems.append(f"operating_point must be one of {', '.join(f'{r:g}' for r in RATES)}")
    if not problems and not 0 <= checked["threshold"] <= 1:
        problems.append("threshold must be from 0 to 1")
    if problems:
        raise ConfigInvalid("pipeline mammography: " + "\n".join(problems), f"options: {', '.join(OPTIONS)}")
    return checked


_WANTED = {bool: "true or false", float: "a number", str: "a text"}


def shown_of(options: Mapping[str, Any]) -> frozenset[Shown]:
    """Which objects are wanted beside the report."""
    return frozenset(kind for kind in Shown if options[kind.value])
