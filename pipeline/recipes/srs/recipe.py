"""Brain metastases for stereotactic radiosurgery: from a contrast-enhanced T1 series to contoured, named lesions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code

from pipeline.contract import Declined, Earlier, Inputs, Runtime
from pipeline.core.clock import Stopwatch
from pipeline.core.errors import ConfigInvalid, GeometryUnusable
from pipeline.core.patient import patient_of
from pipeline.core.study import DRAWN_ON, Instance, Series, Study
from pipeline.findings import Algorithm, Extra, Findings, Sought
from pipeline.imaging.mr_series import Contrast, classify, rank_t1c
from pipeline.imaging.read import read_volume
from pipeline.recipes.srs.corrections import CONTOURS, edited_in, followed_too, recall_own
from pipeline.recipes.srs.given import DOSE, ORGANS, PLANS, given_in, read_given
from pipeline.recipes.srs.weights import FOLDER
from pipeline.sessions.case import Tables, Wishes
from pipeline.sessions.planned import Planned
from pipeline.sessions.tables import read_limits, read_prescriptions

T1C = "t1c"
VERSION = "0.3.0"
BRAIN_METASTASIS = Sought(
    finding=Code("14799000", "SCT", "Neoplasm, Secondary"), site=Code("12738006", "SCT", "Brain"), roi_type="GTV"
)

OPTIONS: Mapping[str, bool | int | float | str] = {
    "require_contrast": True,
    "fill_missing_slices": 0,
    "rejected_seg": False,
    "bundle": "",
    "contours": True,
    "plan": True,
    "sessions": 0,
    "most_sessions": 5,
    "most_lesions": 20,
    "most_minutes": 120.0,
    "minutes": 8.0,
    "setup_minutes": 15.0,
    "apart_mm": 10.0,
    "days_between": 2,
    "gradient_index": 2.83,
    "limits": "",
    "prescriptions": "",
    "dose_map": True,
    "rt_dose": False,
    "probability_map": True,
    "page": True,
}
"""What a route may set, with defaults; whatever changes what is read is said in the results.

require_contrast:    false also reads T1 without contrast.
fill_missing_slices: so many single missing slices, each between two that are there, are made up from these.
rejected_seg:        true sends the candidates that model 2 turned down as a second segmentation.
bundle:              the folder of a model of your own that takes the place of model 1 (pipeline/bundle/README.md).
contours:            false does not look at structure sets and segmentations that people send; else the newest with
                     tumours takes the place of models 1 and 2.
plan:                false plans no treatment sessions.
sessions:            exactly so many; 0 for the fewest that keep all limits.
most_sessions, most_lesions, most_minutes, minutes, setup_minutes, apart_mm, days_between:
                     see Wishes in pipeline/sessions/case.py. minutes: of one lesion.
gradient_index:      V50/V100 of the clinic's plans.
limits, prescriptions: TOML files in the place of those in pipeline/sessions.
dose_map, rt_dose:   whether the estimated dose of each session is written as Parametric Map, as RT Dose.
probability_map:     whether the probability of every voxel, as model 1 has it, is written as Parametric Map.
page:                whether a summary to look at is written as Secondary Capture.
"""


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with defaults filled in. Raises ConfigInvalid with every problem, one a line."""
    problems = [f"unknown option {k!r}" for k in sorted(options.keys() - OPTIONS.keys())]
    for key, default in OPTIONS.items():
        value = options.get(key, default)
        wanted = (int, float) if type(default) is float else (type(default),)
        if type(value) not in wanted or (isinstance(value, int | float) and value < 0):
            problems.append(f"{key} must be {_WANTED[type(default)]}, not {value!r}")
    if problems:
        raise ConfigInvalid("pipeline srs: " + "\n".join(problems), f"options of srs: {', '.join(OPTIONS)}")
    return {**OPTIONS, **options}


_WANTED = {bool: "true or false", int: "a whole number, 0 or more", float: "a number, 0 or more", str: "a text"}


def wishes_of(options: Mapping[str, Any]) -> Wishes:
    """What the options say of the sessions. Raises ConfigInvalid for what no course can have."""
    named = ("most_sessions", "most_lesions", "most_minutes", "minutes", "setup_minutes", "apart_mm", "days_between")
    return Wishes(sessions=options["sessions"] or None, **{key: options[key] for key in named})


def tables_of(options: Mapping[str, Any]) -> Tables:
    """The tables of limits and prescriptions, read once to see that they can be. Raises ConfigInvalid."""
    given = {key: Path(options[key]) for key in ("limits", "prescriptions") if options[key]}
    tables = Tables(gradient_index=options["gradient_index"], **given)
    read_limits(tables.limits), read_prescriptions(tables.prescriptions), tables.kernel()
    return tables


def extras_of(options: Mapping[str, Any]) -> frozenset[Extra]:
    """Which further objects are wanted."""
    return frozenset(extra for extra in Extra if options[extra.value])


@dataclass(frozen=True, slots=True)
class Srs:
    """The pipeline `srs`. A module-level object of it is the entry point; it holds no state."""

    name: str = "srs"
    roles: tuple[str, ...] = (T1C, CONTOURS, DOSE, ORGANS, PLANS)
    prior_modality: str = "MR"

    @property
    def algorithm(self) -> Algorithm:
        """Name, version with the fingerprint of all models, and evidence, as weights.toml has them."""
        return Algorithm.shipped("Lantern SRS brain metastases", VERSION, FOLDER)

    def algorithm_with(self, options: Mapping[str, Any]) -> Algorithm:
        """With the option `bundle` the user's model, as its manifest has it. Raises ConfigInvalid."""
        bundle = check_options(options)["bundle"]
        if not bundle:
            return self.algorithm
        from pipeline.bundle import T1C as VOLUME  # noqa: PLC0415
        from pipeline.bundle import describe  # noqa: PLC0415  (`select` stays cheap for whoever has no bundle)

        return describe(Path(bundle), VOLUME).algorithm(self.algorithm)

    def select(self, study: Study, options: Mapping[str, Any]) -> Inputs | Declined:
        """The contrast-enhanced T1 series to read, from headers alone. Raises ConfigInvalid for unknown options."""
        self.algorithm_with(options)  # what cannot be used is said at the start, not at the first study
        checked = check_options(options)
        wishes_of(checked), tables_of(checked)
        contours = edited_in(study) if checked["contours"] else None
        images = _drawn_on(study, contours)
        ranking = rank_t1c(images, require_contrast=checked["require_contrast"] and images is study.series)
        if ranking.best is None:
            return Declined(f"no contrast-enhanced T1 series to read: {ranking.reason}")
        series, why = {T1C: ranking.best.series}, {T1C: ranking.best.why}
        given = dict(given_in(study, ranking.best.series))
        if contours is not None:
            series[CONTOURS] = Series(contours.series_instance_uid, (contours,))
            why[CONTOURS] = "the newest structure set or segmentation with tumours that was not made here"
        why |= dict.fromkeys(given, "sent by the hospital, in the frame of reference of the images")
        return Inputs(series | given, why, dict(options), corrects=contours is not None)

    def recall(self, inputs: Inputs, earlier: Earlier) -> Inputs:
        """The inputs, with the images of the newest usable earlier study and our segmentation on them; headers only."""
        from pipeline.recipes.srs.followup import recall  # noqa: PLC0415

        return recall_own(recall(inputs, earlier, check_options(inputs.options)), earlier)

    def plan_contours(
        self,
        series: Series,
        rtstruct: Dataset,
        wishes: Wishes,
        tables: Tables,
        runtime: Runtime,
        sent: Mapping[str, Series] | None = None,
    ) -> Planned | Declined:
        """Model 3 alone, on contours of any origin; see planning.py."""
        from pipeline.recipes.srs.planning import plan_contours  # noqa: PLC0415

        return plan_contours(series, rtstruct, wishes, tables, runtime, sent)

    def run(self, inputs: Inputs, runtime: Runtime) -> Findings | Declined:
        """Read; find candidates (model 1), judge them (model 2) and name them, or take the outlines that a person sent;
        compare with the study before; split over sessions (model 3). Labels are on the grid of the series."""
        # Models, atlas and radiomics take seconds to import; only a process that computes pays for them.
        from pipeline.recipes.srs.followup import follow  # noqa: PLC0415
        from pipeline.recipes.srs.lesions import Beside, see  # noqa: PLC0415
        from pipeline.recipes.srs.planning import plan_lesions  # noqa: PLC0415

        clock, options = Stopwatch(), check_options(inputs.options)
        try:
            t1c = read_volume(inputs[T1C], fill_missing=options["fill_missing_slices"])
        except GeometryUnusable as error:  # a normal end: the images are readable, but no volume to measure in
            return Declined(_geometry_reason(error, options["fill_missing_slices"]))
        clock.lap("read")
        frame = t1c.volume.frame_of_reference_uid
        if not frame:
            return Declined("the images name no Frame of Reference UID, so that contours on them could not be placed")
        beside = Beside(options["rejected_seg"], options["probability_map"])
        seen = see(inputs, t1c.volume, runtime, options["bundle"], beside)
        if isinstance(seen, Declined):
            return seen
        found = seen.found
        clock.lap("see")
        followed = follow(inputs, t1c, found, seen.anatomy.brain, runtime, options)
        clock.lap("follow_up")
        planned, unplanned = None, tuple[str, ...]()
        if options["plan"] and found.labels is not None:
            wishes, tables = wishes_of(options), tables_of(options)
            given = read_given(inputs.series, frame, of=patient_of(inputs[T1C].first), beside=_structure_set(inputs))
            planned, unplanned = plan_lesions(
                followed.lesions, found.labels, seen.anatomy, wishes, tables, runtime, given
            )
        clock.lap("sessions")
        return Findings(
            drawn_on=T1C,
            algorithm=self.algorithm_with(options),
            sought=BRAIN_METASTASIS,
            labels=found.labels,
            frames=t1c.frames,
            lesions=followed.lesions,
            remarks=(
                *t1c.remarks,
                *inputs.remarks,
                *_series_remarks(inputs),
                *_bundle_remarks(options),
                *found.remarks,
                *followed.remarks,
                *unplanned,
                *runtime.remarks,
            ),
            timings_s={"read": clock.laps["read"], **seen.laps, **_later(clock)},
            rejected=followed.rejected,
            rejected_labels=found.rejected_labels,
            planned=planned,
            follow_up=followed.follow_up,
            corrections=followed_too(seen.corrections, followed.lesions),
            extras=extras_of(options),
            probability=seen.probability,
            unseen=(_PARTIAL,) if classify(inputs[T1C]).is_partial else (),
        )


def _drawn_on(study: Study, contours: Instance | None) -> tuple[Series, ...]:
    """The series that contours name, where it is here; else all of the study."""
    named = contours.get(DRAWN_ON, ()) if contours is not None else ()
    return tuple(s for s in study.series if s.series_instance_uid in named and s.modality == "MR") or study.series


def _structure_set(inputs: Inputs) -> Dataset | None:
    """The one that contours came in: its organs and PTVs count as well."""
    contours = inputs.series.get(CONTOURS)
    if contours is None or contours.modality != "RTSTRUCT":
        return None
    return dcmread(contours.first.path)


def _later(clock: Stopwatch) -> dict[str, float]:
    return {stage: clock.laps[stage] for stage in ("follow_up", "sessions")}


def _geometry_reason(error: GeometryUnusable, filled: int) -> str:
    if "missing" not in error.message or filled:
        return str(error)
    return f"{error}; or let the option fill_missing_slices make up single slices, which every result then says"


_PARTIAL = "The series covers only a part of the head; nothing is said about the rest."


def _series_remarks(inputs: Inputs) -> tuple[str, ...]:
    """What a reader must know of the series that was read before "no lesion" means anything."""
    about = classify(inputs[T1C])
    remarks = []
    if about.is_partial:
        remarks.append(_PARTIAL)
    if about.contrast.given is not Contrast.YES:
        no = about.contrast.given is Contrast.NO
        known = "without contrast agent" if no else "not known to have contrast agent"
        remarks.append(
            f"Read on a T1 series {known} ({about.contrast.why}); the model was made for contrast-enhanced T1."
        )
    return tuple(remarks)


def _bundle_remarks(options: Mapping[str, Any]) -> tuple[str, ...]:
    if not options["bundle"]:
        return ()
    return ("Candidates of this model were judged by a false-positive step that was trained on those of another.",)


PIPELINE = Srs()
