"""Images that a mammography pipeline must not take for a mammogram, or must not take without a word."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage, UltrasoundImageStorage
from scipy import ndimage

from pipeline.core.breast import Laterality, Shortcoming
from pipeline.datasets.mg_writer import Modifier
from tests.support.breasts import SPACING, changed, drawn, sent
from tests.support.mg_reading import edited, read, shortcomings, why

LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT


def implant(folder):
    return sent(folder, drawn("CC"), view="CC", implant=True)


def magnification(folder):
    return sent(folder, drawn("CC"), view="CC", modifiers=(Modifier.MAGNIFICATION,))


def blank(folder):
    return sent(folder, np.full((800, 560), 200, np.uint16), view="CC")


def cropped(folder):
    return sent(folder, drawn("CC")[:, :250], view="CC", spacing_mm=SPACING)


def cropped_below(folder):
    return sent(folder, drawn("MLO")[:480])


def noise(folder):
    grey = np.random.default_rng(3).normal(2000, 400, (800, 560))
    return sent(folder, np.clip(grey, 0, 4095).astype(np.uint16), view="CC")


def two_breasts(folder):
    return sent(folder, np.hstack([drawn("MLO")[:, ::-1], np.zeros((800, 60), np.uint16), drawn("MLO")])[::2, ::2])


def page_of_four(folder):
    gap = np.zeros((800, 60), np.uint16)
    upper, lower = (np.hstack([drawn(v), gap, drawn(v)[:, ::-1]]) for v in ("CC", "MLO"))
    return sent(folder, np.vstack([upper, lower])[::2, ::2])


def inverted(folder):
    return sent(folder, 4095 - drawn("MLO"))


def wrong_laterality(folder):
    return edited(sent(folder, drawn("MLO"), LEFT), ImageLaterality="R")


def ultrasound(folder):
    one = sent(folder, drawn("CC"), view="CC")
    return edited(one, SOPClassUID=UltrasoundImageStorage, Modality="US")


def tomosynthesis(folder):
    one = edited(sent(folder, drawn("CC"), view="CC"), SOPClassUID="1.2.840.10008.5.1.4.1.1.13.1.3")
    return changed(one, NumberOfFrames=45)


def slice_of_tomosynthesis(folder):
    return edited(sent(folder, drawn("CC"), view="CC"), ImageType=["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"])


def man(folder):
    return edited(sent(folder, drawn("CC"), view="CC"), PatientSex="M")


def tiny(folder):
    return sent(folder, drawn("CC")[::4, ::4], view="CC")


def screenshot(folder):
    one = sent(folder, (drawn("CC") // 16).astype(np.uint8), view="CC", bits=8, burned_in=True)
    return edited(one, SOPClassUID=SecondaryCaptureImageStorage, ConversionType="WSD")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (implant, "an implant is in view"),
        (magnification, "a magnification view"),
        (blank, "it is blank"),
        (noise, "no air is seen around the breast"),
        (two_breasts, "several bright regions of like size"),
        (page_of_four, "several bright regions of like size"),
        (ultrasound, "an ultrasound image"),
        (tomosynthesis, "slices of a tomosynthesis"),
        (slice_of_tomosynthesis, "slices of a tomosynthesis"),
        (man, "only breasts of women"),
        (tiny, "too small"),
        (screenshot, "a screen copy of 8 bits"),
    ],
)
def test_an_unsuitable_image_is_declined_with_its_reason(tmp_path, made, words):
    assert words in why(made(tmp_path))


@pytest.mark.parametrize(
    ("made", "shortcoming", "words"),
    [
        (cropped, Shortcoming.CUT_OFF, "a part of it is not in the image"),
        (cropped_below, Shortcoming.CUT_OFF, "lower edge"),
        (inverted, Shortcoming.INVERTED, "Dark is dense"),
        (wrong_laterality, Shortcoming.SIDE_IN_DOUBT, "right breast"),
    ],
)
def test_a_doubtful_image_is_read_and_flagged_with_its_reason(tmp_path, made, shortcoming, words):
    notes = read(made(tmp_path)).notes
    assert shortcoming in [n.shortcoming for n in notes]
    assert words in next(n.words for n in notes if n.shortcoming is shortcoming)


def test_a_breast_larger_than_its_film_is_read(tmp_path):
    y, x = np.mgrid[:800, :560] / np.array([800, 560]).reshape(2, 1, 1)
    inside = ((x - 0.5) / 0.62) ** 2 + ((y - 0.5) / 0.56) ** 2 < 1
    grain = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=inside.shape), 4) * 2000
    made = read(sent(tmp_path, (inside * np.clip(2000 + grain, 1, 4095)).astype(np.uint16), view="CC"))
    assert Shortcoming.CUT_OFF in shortcomings(made)
