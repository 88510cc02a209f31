"""Pages of mammograms: views with outlines and heat, and what is said beside them."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.encode.mammo.page import averaged, marked_pages
from pipeline.encode.mammo.source import read_marked_source
from pipeline.encode.page import draw
from pipeline.marks import View
from tests.support.findings import STAMP
from tests.support.mammograms import marked, write_study


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> tuple[View, ...]:
    return write_study(tmp_path_factory.mktemp("views"))


def test_a_page_shows_the_views_with_outlines_and_heat_and_says_the_rest(views: tuple[View, ...]) -> None:
    study = marked(views)
    first, *_ = marked_pages(study, read_marked_source(study), STAMP)
    assert len(first.pictures) == 4
    assert [len(p.outlines) for p in first.pictures] == [1, 0, 1, 1]  # R-CC, L-CC, R-MLO, L-MLO
    (outline,) = first.pictures[0].outlines
    assert np.allclose(outline.points[0] + 0.5, study.marks[0].outline_px[0])
    said = "\n".join(first.said)
    assert said.startswith("RESEARCH USE ONLY - not a medical device")
    assert "cluster of calcifications" in said
    assert "Evidence tier T2" in said


def test_heat_is_colour_over_the_image_and_no_heat_is_none(views: tuple[View, ...]) -> None:
    hot, cold = marked(views, marks=(), composites=()), marked(views, marks=(), composites=(), heat={})
    colours = []
    for study in (hot, cold):
        page = marked_pages(study, read_marked_source(study), STAMP)[0]
        box = page.pictures[0].box
        pixels = draw(page)[int(box.top) : int(box.top + box.height), int(box.left) : int(box.left + box.width)]
        colours.append(int((np.ptp(pixels.astype(int), axis=2) > 20).sum()))
    assert colours[0] > 10_000
    assert colours[1] == 0


@pytest.mark.parametrize(("shape", "factor"), [((10, 7), 1), ((10, 7), 3), ((9, 6), 3)])
def test_large_images_are_averaged_for_a_page(shape: tuple[int, int], factor: int) -> None:
    pixels = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    small = averaged(pixels, factor)
    assert small.shape == (-(-shape[0] // factor), -(-shape[1] // factor))
    assert small[0, 0] == pixels[:factor, :factor].mean()
