"""Volumes over dates as a picture: what is stable looks stable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from pipeline.encode.timeline import draw_timeline
from pipeline.followup.change import Size
from pipeline.followup.timeline import Seen, Visit


def visit(day: str, **ml: float) -> Visit:
    sizes = {name: Size(v * 1000, 10.0, 8.0, 4, (1.0, 1.0, 1.0), None) for name, v in ml.items()}
    return Visit(day, f"1.2.{day}", {name: Seen(name, size) for name, size in sizes.items()})


def drawn(*visits: Visit) -> Any:
    figure = Figure(figsize=(8, 5))
    axis = figure.subplots()
    draw_timeline(axis, visits)
    figure.canvas.draw()
    return axis


def heights(axis: Any, *ml: float) -> list[float]:
    """0 at the foot of the axis, 1 at its top."""
    at = axis.transData.transform([(0, v) for v in ml])
    return [float(axis.transAxes.inverted().transform(p)[1]) for p in at]


def test_a_lesion_that_loses_a_seventh_of_its_volume_does_not_fall_across_the_picture() -> None:
    axis = drawn(visit("20240110", BM01=28.3), visit("20240605", BM01=24.3))
    assert axis.get_ylim()[0] == 0
    then, now = heights(axis, 28.3, 24.3)
    assert 0.0 < then - now < 0.1


@pytest.mark.parametrize("most", [0.02, 0.3, 5.0, 28.0, 240.0])
def test_the_axis_has_ticks_with_numbers_from_0_that_do_not_touch(most: float) -> None:
    axis = drawn(visit("20240110", BM01=most), visit("20240605", BM01=most * 0.9))
    ticks, labels = axis.get_yticks(), [t.get_text() for t in axis.get_yticklabels()]
    assert (ticks[0], labels[0]) == (0, "0")
    assert len(ticks) >= 3
    assert labels == [f"{t:g}" for t in ticks]
    assert np.diff(heights(axis, *ticks)).min() >= 0.05
    assert "ml" in axis.get_ylabel()
    assert [t.get_text() for t in axis.get_xticklabels()] == ["2024-01-10", "2024-06-05"]


def test_small_and_large_lesions_are_seen_beside_each_other_and_one_that_is_gone_ends_at_0() -> None:
    axis = drawn(visit("20240110", BM01=20.0, BM02=0.1), visit("20240605", BM01=20.0))
    assert heights(axis, 0.1)[0] > 0.1
    (cross,) = (line for line in axis.get_lines() if line.get_marker() == "x")
    assert float(cross.get_ydata()[0]) == 0


def test_dates_too_near_to_each_other_are_not_written_over_each_other() -> None:
    axis = drawn(visit("20240110", BM01=5.0), visit("20240112", BM01=5.0), visit("20250110", BM01=5.0))
    assert [t.get_text() for t in axis.get_xticklabels()] == ["2024-01-10", "", "2025-01-10"]
