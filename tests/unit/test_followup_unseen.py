"""What the images of the other date do not reach is neither gone nor new."""

from __future__ import annotations

import highdicom as hd
import numpy as np

from pipeline.followup.change import Before, Response, Size
from pipeline.followup.compare import Now, compare
from pipeline.followup.match import Matched
from pipeline.recipes.srs.followup import _unseen

SIZE = Size(500.0, 12.0, 8.0, 5, (1.0, 1.0, 1.0))


def grid(slices: int) -> hd.Volume:
    return hd.Volume(np.zeros((slices, 20, 20), np.uint16), np.eye(4), "PATIENT")


def test_a_lesion_beyond_the_last_slice_of_the_other_date_is_found_out() -> None:
    labels = grid(40)
    array = np.asarray(labels.array).copy()
    array[30:34, 5:9, 5:9], array[4:8, 5:9, 5:9] = 1, 2
    labels = labels.with_array(array)
    assert _unseen(labels, (1, 2), grid(20), lambda points: points) == [1]
    assert _unseen(labels, (1, 2), grid(40), lambda points: points) == []


def test_no_response_is_said_of_what_was_not_seen() -> None:
    then, now = {1: Before("1.2", "BM01", SIZE)}, {1: Now("1.3", "BM01", SIZE)}
    gone = Matched({}, {}, {}, (1,), ())
    new = Matched({}, {}, {}, (), (1,))
    assert compare(gone, then, {}).response is Response.CR
    assert compare(gone, then, {}, unseen_then=[1]).response is Response.UNSAID
    assert compare(new, {}, now).response is Response.PD
    assert compare(new, {}, now, unseen_now=[1]).response is Response.UNSAID
