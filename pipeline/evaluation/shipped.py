"""The pipelines that can be evaluated, as readers."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipeline.contract import Declined, Runtime
from pipeline.core.errors import NotFound
from pipeline.evaluation.reading import Read, Subject
from pipeline.execute.device import choose, free_gpu_memory
from pipeline.recipes.srs import PIPELINE
from pipeline.recipes.srs.candidates import enhancing
from pipeline.recipes.srs.examine import Examined, Gathered, examine
from pipeline.recipes.srs.params import PARAMS

SEEN = frozenset({"t1c", "icbm", *(f"btp-{n:02d}" for n in (1, 2, 4, 6, 7, 8, 9, 11))})
"""Groups of cases that the shipped weights were trained on; the training run itself measures these by cross-validation,
and its tables are in the model card.
"""

AROUND_MM = 6.0
"""How far around a candidate the recipe looks for normal brain to call something brighter than it."""


def shipped(pipeline: str, device: str = "cpu") -> Subject:
    """The shipped weights of a pipeline. device: "auto", "cpu", "gpu", "gpu:N".

    Raises NotFound for a name that has no reader, ConfigInvalid for a device that is not there.
    """
    if pipeline != "srs":
        raise NotFound(f"no pipeline {pipeline!r} to evaluate", "srs is the one that can be evaluated")
    about = PIPELINE.algorithm
    runtime = Runtime(device=choose(device, () if device == "cpu" else free_gpu_memory()))

    def read(image: hd.Volume, _: str) -> Read:
        return as_read(image, examine(image, runtime))

    return Subject(about.name, about.version, read, PARAMS.candidate, SEEN)


def as_read(image: hd.Volume, found: Examined | Declined) -> Read:
    """What `srs` said of an image, as the evaluation scores it."""
    if isinstance(found, Declined):
        nothing = np.zeros(0)
        return Read(np.zeros(image.spatial_shape, np.uint16), nothing, nothing, nothing > 0, None, found.reason, {})
    free = [k for k, verdict in enumerate(found.verdicts) if not verdict.barred]  # what is barred nobody is shown
    numbers = np.zeros(len(found.verdicts) + 1, np.uint16)
    numbers[[k + 1 for k in free]] = np.arange(1, len(free) + 1)
    return Read(
        candidates=numbers[found.gathered.labels.array],
        probability=np.array([found.gathered.candidates[k].peak for k in free], float),
        score=np.array([found.verdicts[k].score for k in free], float),
        kept=np.array([found.verdicts[k].kept for k in free], bool),
        enhancing=_enhancing(image, found.gathered),
        declined="",
        seconds=found.laps,
    )


def _enhancing(image: hd.Volume, gathered: Gathered) -> npt.NDArray[np.bool_]:
    """What enhances inside the candidates, each judged as the recipe does for its volume."""
    out = np.zeros(image.spatial_shape, bool)
    labels, brain, pixels = gathered.labels.array, gathered.anatomy.brain, np.asarray(image.array, np.float32)
    for candidate in gathered.candidates:
        box = tuple(
            slice(max(0, s.start - int(np.ceil(AROUND_MM / mm))), s.stop + int(np.ceil(AROUND_MM / mm)))
            for s, mm in zip(candidate.region.box, image.spacing, strict=True)
        )
        inside = labels[box] == candidate.region.number
        out[box] |= enhancing(pixels[box], inside, brain[box] & (labels[box] == 0))
    return out
