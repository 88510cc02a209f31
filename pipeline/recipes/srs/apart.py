"""Sets of one lesion each: what comes back of one says nothing of the others, which stay as they were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from pipeline.recipes.srs.contours import Drawn

STAY = (
    "What came back is one of several structure sets with a lesion each. "
    "Lesions that are not in it stay as they were: {}. "
    'To take a lesion out, correct a set of all lesions (objects = "study" of the destination).'
)


def joined(parts: Sequence[Drawn]) -> Drawn:
    """One of several on one grid, in the order of their names. A voxel that two claim is the first one's."""
    whole, *others = sorted(parts, key=lambda part: part.names)
    for part in others:
        whole, _ = _with(whole, part, range(len(part.names)))
    return whole


def with_rest(drawn: Drawn, ours: Drawn, again: Collection[int]) -> Drawn:
    """What was drawn and, behind it, those of ours that are not `again` in it; where both are, it was drawn anew."""
    whole, names = _with(drawn, ours, [j for j in range(len(ours.names)) if j not in again])
    return replace(whole, remarks=(*whole.remarks, STAY.format(", ".join(names)))) if names else whole


def _with(drawn: Drawn, more: Drawn, which: Collection[int]) -> tuple[Drawn, list[str]]:
    """Some more of another file, as far as there is a voxel left for them; and their names."""
    labels, others = np.array(drawn.labels.array), np.asarray(more.labels.array)
    kept: list[int] = []
    for j in which:
        free = (others == j + 1) & (labels == 0)
        if free.any():
            kept.append(j)
            labels[free] = len(drawn.names) + len(kept)

    def both(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
        return (*first, *(second[j] for j in kept))

    made = replace(
        drawn,
        names=both(drawn.names, more.names),
        tracking_uids=both(drawn.tracking_uids, more.tracking_uids),
        drawn_by=both(drawn.drawn_by, more.drawn_by),
        algorithms=both(drawn.algorithms, more.algorithms),
        about=both(drawn.about, more.about),
        labels=drawn.labels.with_array(labels),
    )
    return made, [more.names[j] for j in kept]
