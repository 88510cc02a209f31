"""Mammograms of women who never were: four views with findings at known places."""

from pipeline.phantom.mammogram.exposure import Manner
from pipeline.phantom.mammogram.stamps import Shape, Stamp, pressed, stamp
from pipeline.phantom.mammogram.study import Finding, MammogramStudy, MammogramView, Plan, mammogram_study

__all__ = [
    "Finding",
    "MammogramStudy",
    "MammogramView",
    "Manner",
    "Plan",
    "Shape",
    "Stamp",
    "mammogram_study",
    "pressed",
    "stamp",
]
