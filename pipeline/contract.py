"""What a pipeline is, what it is given, and where it may be run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydicom import Dataset

from pipeline.core.breast import Unread
from pipeline.core.study import Series, Study
from pipeline.findings import Algorithm, Findings
from pipeline.marks import MarkedStudy
from pipeline.sessions.case import Tables, Wishes
from pipeline.sessions.planned import Planned

Found = Findings | MarkedStudy
"""What a run of a pipeline has to say: of lesions in a volume, or of marks on single images."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The series that a pipeline chose, by role ("t1c", "R-MLO").

    why:     for each role, one sentence on how the series was recognised.
    options: the route's options, as they were given to `select`.
    corrects: a person sent corrections of earlier results: such work is done whatever a route says of late images.
    remarks: what whoever gathered them wants said in the result (why there is no earlier study).
    unread:  images of the study that `select` looked at and left, each with the reason: for the result to say.
    """

    series: Mapping[str, Series]
    why: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    corrects: bool = False
    remarks: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

    def __getitem__(self, role: str) -> Series:
        return self.series[role]


@dataclass(frozen=True, slots=True)
class Declined:
    """The pipeline was not made for this study. `reason` is a sentence that a radiologist understands."""

    reason: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """Where and how `run` computes.

    device:     a torch device name.
    threads:    CPU threads it may use.
    seed:       for whatever is random; equal seeds give equal findings.
    tile_scale: 1.0, or less after the device ran out of memory: tiles and batches are to shrink by it.
    remarks:    what the caller wants said in the result (which device was given up and why).
    """

    device: str = "cpu"
    threads: int = 2
    seed: int = 0
    tile_scale: float = 1.0
    remarks: tuple[str, ...] = ()


@runtime_checkable
class Pipeline(Protocol):
    """One clinical task. A module-level object named in the entry point group `lantern.pipelines`.

    Importing it must be cheap: torch and its like are imported inside `run`.
    """

    name: str
    roles: tuple[str, ...]

    @property
    def algorithm(self) -> Algorithm:
        """What it is and on what evidence; `algorithm.version` changes when its results may."""

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        """Choose the series, from headers alone; no pixel is read."""

    def run(self, inputs: Inputs, runtime: Runtime) -> Found | Declined:
        """Compute, from pixels."""


@runtime_checkable
class Adjustable(Protocol):
    """A pipeline whose model depends on its options: it can put a user's own in the place of the shipped one."""

    def algorithm_with(self, options: Mapping[str, Any]) -> Algorithm:
        """What it is with these options. Reads no weights: it is asked before every job. May raise ConfigInvalid."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What there is of the patient beside the study: whoever runs a pipeline hands it over.

    own:    objects that were made here for this very study, headers only; None when there are none.
    priors: earlier studies of the patient, images and our objects, the newest first.
    """

    own: Study | None = None
    priors: tuple[Study, ...] = ()


@runtime_checkable
class Follower(Protocol):
    """A pipeline that carries on earlier work on the same patient."""

    def recall(self, inputs: Inputs, earlier: Earlier) -> Inputs:
        """The inputs, with what it wants of the earlier as further roles; from headers alone."""


@runtime_checkable
class Planner(Protocol):
    """A pipeline that also splits lesions over treatment sessions, from contours of any origin."""

    def plan_contours(
        self,
        series: Series,
        rtstruct: Dataset,
        wishes: Wishes,
        tables: Tables,
        runtime: Runtime,
        sent: Mapping[str, Series] | None = None,
    ) -> Planned | Declined:
        """Plan the tumours of a structure set that was drawn on that series.

        sent: doses of a planning system and structure sets with organs, by role ("dose", "organs").
        May raise ConfigInvalid, and another Permanent for what was sent and cannot be used.
        """


def algorithm_of(pipeline: Pipeline, options: Mapping[str, Any]) -> Algorithm:
    """What a pipeline is with these options; `Pipeline.algorithm` where they make no difference."""
    return pipeline.algorithm_with(options) if isinstance(pipeline, Adjustable) else pipeline.algorithm


class Executor(Protocol):
    """A place where pipelines run. Raises the errors of `pipeline.core.errors` and nothing else."""

    def run(self, pipeline_name: str, inputs: Inputs) -> Found | Declined:
        """Run the pipeline of that name and wait for it."""

    def close(self) -> None:
        """Let go of processes and memory."""
