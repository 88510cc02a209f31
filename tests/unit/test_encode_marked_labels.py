"""Where the label of a mark stands in the presentation state."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.encode import Part, encode
from pipeline.encode.mammo.source import drawn_px
from pipeline.marks import Attempt, Kind, Outcome
from tests.support.findings import STAMP
from tests.support.mammograms import mark, unmarked, write_view


@pytest.mark.parametrize(
    ("role", "center", "to_the_left"),
    [
        ("R-CC", (55.0, 40.5), True),
        ("R-CC", (55.0, 5.0), True),
        ("R-CC", (20.0, 40.5), False),
        ("L-CC", (9.0, 40.5), False),
    ],
)
def test_the_label_of_a_mark_stays_in_the_image(
    tmp_path: Path, role: str, center: tuple[float, float], to_the_left: bool
) -> None:
    found = mark(1, role, center=center)
    view = write_view(tmp_path, role)
    outline = drawn_px(found, view)
    attempts = (Attempt(Kind.MASS, Outcome.SUCCEEDED, (role,)),)
    study = unmarked((view,), marks=(found,), attempts=attempts, heat={})
    (overlay,) = [e.dataset for e in encode(study, STAMP) if e.part is Part.OVERLAY]
    label = overlay.GraphicAnnotationSequence[0].TextObjectSequence[1]
    assert label.UnformattedTextValue == "M1 mass 63"
    if not to_the_left:
        assert label.AnchorPoint[0] == pytest.approx(max(outline)[0])
        assert "BoundingBoxTopLeftHandCorner" not in label
        return
    (left, top), (right, bottom) = label.BoundingBoxTopLeftHandCorner, label.BoundingBoxBottomRightHandCorner
    assert (label.BoundingBoxTextHorizontalJustification, label.BoundingBoxAnnotationUnits) == ("RIGHT", "PIXEL")
    assert 0 <= left < right - 8
    assert right == pytest.approx(min(outline)[0])
    assert 0 <= top < bottom <= view.rows
