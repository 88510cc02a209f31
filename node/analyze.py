"""A pipeline on files, with no server: what `lantern analyze` does.

`summary.json` beside the objects has the schema `lantern.summary/1`, to which keys may be added, and from which none is
taken away:

outcome      "completed", "declined" or "failed"
reason       why it was declined or failed; "" when completed
study        {"study_instance_uid"}
series       for each role the pipeline chose: {"role", "series_instance_uid", "instances", "why"}
model        {"pipeline", "name", "version", "weights_sha256", "evidence_tier", "training", "use"}
objects      {"kind", "part", "number", "file", "sop_class_uid", "sop_instance_uid", "series_instance_uid"}; part is
             "SEG_REJECTED" for the SEG of rejected candidates, else as kind; number 0, or of several in one series
             which: the session of a "PM" (estimated dose) or "RTDOSE"
findings     the lesions: {"number", "label", "short_label": the ROI's name, "tracking_uid",
              "centroid_mm": [x, y, z] in LPS, "volume_mm3", "enhancing_volume_mm3" of it, "long_axis_mm",
              "short_axis_mm", "max_diameter_3d_mm" (from corner to corner of voxels),
              "probability": 0…1, calibrated where there is a verdict, else the network's mean; null
              where a person drew the outline,
              "agreement": 0…1, mean Dice of repeated readings with the first,
              "site": {"code", "scheme", "meaning", "laterality": "Left", "Right" or null, "words"},
              "distances_mm": {structure: from surface to surface},
              "verdict": {"score", "threshold", "against": [{"feature", "value", "words", "weight"}]}}
              null where it was not measured: enhancing_volume_mm3, agreement, site, verdict
              "origin": who drew it: "AUTOMATIC", "SEMIAUTOMATIC" or "MANUAL", "drawn_with": the algorithm
              that its object names, where others sent the outline, else ""
              "sessions": [number] of the proposed sessions it is treated in; [] for an excluded lesion; null without
              a plan, "prescription": {"dose_gy", "fractions", "source"} or null
plan         the proposed treatment sessions as `lantern plan` has them (`lantern.plan/1`, its lesions by their
             short_label): {"use": "ESTIMATE - NOT FOR TREATMENT...", "sessions": [{"number", "day", "lesions",
             "fractions", "v12_ml", "organs_gy", "minutes"}], "chosen", "curve", "why", "compared", "brain_bed_gy",
             "organs_bed_gy", "prescriptions", "limits", "kernel", "remarks"}; null without a plan
rejected     candidates that the false-positive step turned down, described alike; they are no findings
follow_up    null without an earlier study that could be used, else {"prior_study_instance_uid",
              "prior_series_instance_uid", "prior_date", "days", "drawn_by", "fit": correlation after registration,
              "sum_then_mm", "sum_now_mm", "sum_percent" of target lesions, "response": of RANO-BM against that study
              alone, "of_targets": of target lesions alone or null, "words", "changes": one for each finding,
              "gone": [...]}; a change is {"tracking_uid", "label",
              "status": "new", "grown", "stable", "shrunk", "gone" or "not imaged", "then", "now": {"volume_mm3",
              "enhancing_volume_mm3", "long_axis_mm", "short_axis_mm", "slices", "voxel_mm"} or null, "volume_percent",
              "enhancing_percent", "diameter_percent", "merged_from": [{"tracking_uid", "label", "size"}],
              "split_from": tracking UID or "", "target", "doubtful": new, but as bright before,
              "cut_then", "cut_now": whether the images of that date do not show all of its place, "words"}
corrections  where a person sent contours: {"by", "sop_instance_uid" of their object, "compared": whether there was
             something of ours to compare with, "changes": [{"edit": "unchanged", "changed", "renamed", "added" or
             "deleted", "label", "tracking_uid", "words"}]}; else null
study_score, images, breasts, marks, composites, rejected_marks, attempts, quality, unread, threshold
             of projection images alone (mammograms): see `node.marks_data`
quarantined  objects that the gate holds back, in the folder "quarantine" and not among the objects: {"kind", "part",
             "number", "file", "sop_instance_uid", "why"}
doubts       breaches of the standard in the others: {"file", "words": [...] and "copied": [...], of what stands like
             that in the images}; an object without any is left out
remarks      sentences for the reader
timings_s    seconds by stage
lantern      {"version"}
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from node.gate import judge
from node.marks_data import marks_as_data
from node.quarantine import Kept, clear, keep
from node.version import VERSION
from node.work_key import result_seed, work_key
from pipeline import registry
from pipeline.contract import Declined, Earlier, Executor, Follower, Found, Inputs, Pipeline
from pipeline.core.clock import Clock, utc_now
from pipeline.core.errors import LanternError, OurFault, place_of
from pipeline.core.study import Study
from pipeline.encode import Encoded, Part, Stamp, encode
from pipeline.findings import RESEARCH_USE_ONLY, Algorithm, Corrections, Findings, Lesion
from pipeline.followup.change import Change, FollowUp
from pipeline.imaging.header import content_digest
from pipeline.marks import MarkedStudy
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import as_data

SCHEMA = "lantern.summary/1"
PICTURE = "picture.png"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What became of one study. `outcome` is "completed", "declined" or "failed".

    files: the objects that passed the gate; kept: all of them, with the verdict.
    """

    outcome: str
    reason: str
    study: Study
    inputs: Inputs | None = None
    findings: Found | None = None
    files: tuple[tuple[Encoded, Path], ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    kept: tuple[Kept, ...] = ()

    @property
    def held_back(self) -> tuple[Kept, ...]:
        """The objects that are wrong, in the folder `quarantine`."""
        return tuple(k for k in self.kept if k.is_held_back)


def analyze(
    study: Study,
    pipeline_name: str,
    out: Path,
    executor: Executor,
    options: Mapping[str, Any] | None = None,
    clock: Clock = utc_now,
    *,
    priors: tuple[Study, ...] = (),
    dciodvfy: str = "",
) -> Analysis:
    """Run a pipeline on a study, write its objects and `summary.json` to `out`. Raises NotFound (no such pipeline).

    priors:   earlier studies of the patient, images and our objects, the newest first; for pipelines that carry on.
    dciodvfy: the program that is asked for a second opinion; "" does without.

    An object that is not what was found is written to `out/quarantine`, with the reasons (see `node.gate`).

    What goes wrong after that is the analysis's own outcome, "failed", with the reason.
    """
    pipeline = registry.get(pipeline_name)
    out.mkdir(parents=True, exist_ok=True)
    old = [path for part in Part for path in (out / f"{part.value}.dcm", *out.glob(f"{part.value}_[0-9]*.dcm"))]
    for path in (*old, out / "summary.json", out / PICTURE):
        path.unlink(missing_ok=True)  # of another analysis: must not lie beside this one's summary
    clear(out, [name for part in Part for name in (part.value, f"{part.value}_[0-9]*")])
    started = time.perf_counter()
    try:
        done = _analyze(study, pipeline, pipeline_name, out, executor, options or {}, clock, priors, dciodvfy)
    except LanternError as e:
        done = Analysis("failed", str(e), study)
    except Exception as e:  # noqa: BLE001  # the edge: the caller gets a summary whatever a pipeline or file does
        # The words of an unforeseen error may quote a data set: its type and place must do.
        log.error("study %s: unexpected %s", study.study_instance_uid, place_of(e))
        done = Analysis("failed", f"unexpected {place_of(e)}", study)
    total = {"total": time.perf_counter() - started}
    (out / "summary.json").write_text(json.dumps(summary(done, pipeline_name, pipeline, total), indent=2) + "\n")
    return done


def _analyze(
    study: Study,
    pipeline: Pipeline,
    name: str,
    out: Path,
    executor: Executor,
    options: Mapping[str, Any],
    clock: Clock,
    priors: tuple[Study, ...],
    dciodvfy: str,
) -> Analysis:
    inputs = pipeline.select(study, options)
    if isinstance(inputs, Declined):
        return Analysis("declined", inputs.reason, study)
    if isinstance(pipeline, Follower):
        inputs = pipeline.recall(inputs, Earlier(_own(study), priors))
    begun = time.perf_counter()
    found = executor.run(name, inputs)
    ran = time.perf_counter()
    if isinstance(found, Declined):
        return Analysis("declined", found.reason, study, inputs)
    seed = result_seed(_key(inputs, name, found.algorithm), found.algorithm)
    stamp = Stamp(seed=seed, made_at=clock().astimezone(), software_version=VERSION)
    objects = encode(found, stamp)
    encoded = time.perf_counter()
    kept = keep(judge(objects, found, dciodvfy=dciodvfy), out)
    files = tuple((k.judged.encoded, k.path) for k in kept if not k.is_held_back)
    stages = {"pipeline": ran - begun, "encode": encoded - ran, "gate": time.perf_counter() - encoded}
    return Analysis("completed", "", study, inputs, found, files, {**found.timings_s, **stages}, kept)


def _own(study: Study) -> Study | None:
    """What was made here before and lies beside the images."""
    ours = tuple(s for s in study.series if s.is_ours)
    return Study(study.study_instance_uid, ours) if ours else None


def _key(inputs: Inputs, name: str, algorithm: Algorithm) -> str:
    """Equal images, pipeline, version and options make equal UIDs, here as in a node."""
    files = {i.path for s in inputs.series.values() for i in s.instances}
    return work_key((content_digest(p) for p in files), name, algorithm, inputs.options)


def summary(done: Analysis, pipeline_name: str, pipeline: Pipeline, total: Mapping[str, float]) -> dict[str, Any]:
    """The content of `summary.json`; see the module's docstring."""
    algorithm = done.findings.algorithm if done.findings else pipeline.algorithm
    return {
        "schema": SCHEMA,
        "outcome": done.outcome,
        "reason": done.reason,
        "study": {"study_instance_uid": done.study.study_instance_uid},
        "series": _series(done.inputs),
        "model": {
            "pipeline": pipeline_name,
            "name": algorithm.name,
            "version": algorithm.version,
            "weights_sha256": algorithm.weights_sha256,
            "evidence_tier": algorithm.evidence_tier,
            "training": algorithm.training,
            "use": RESEARCH_USE_ONLY,
        },
        "objects": [
            _named(e, path)
            | {
                "sop_class_uid": str(e.dataset.SOPClassUID),
                "sop_instance_uid": str(e.dataset.SOPInstanceUID),
                "series_instance_uid": str(e.dataset.SeriesInstanceUID),
            }
            for e, path in done.files
        ],
        "quarantined": [
            _named(k.judged.encoded, k.path) | {"sop_instance_uid": k.judged.sop_instance_uid, "why": k.judged.fault}
            for k in done.held_back
        ],
        "doubts": [
            {"file": k.path.name, "words": list(k.judged.doubts), "copied": list(k.judged.copied)}
            for k in done.kept
            if k.judged.doubts or k.judged.copied
        ],
        **_said(done.findings),
        "remarks": list(done.findings.remarks) if done.findings else [],
        "timings_s": {k: round(v, 3) for k, v in {**done.timings_s, **total}.items()},
        "lantern": {"version": VERSION},
    }


def _named(encoded: Encoded, path: Path) -> dict[str, Any]:
    return {"kind": encoded.kind.value, "part": encoded.part.value, "number": encoded.number, "file": path.name}


def _said(found: Found | None) -> dict[str, Any]:
    """What is said of lesions in a volume, and besides of marks on images where these were looked at."""
    if not isinstance(found, Findings):
        nothing: dict[str, Any] = {"findings": [], "plan": None, "rejected": [], "follow_up": None, "corrections": None}
        return nothing if found is None else nothing | marks_as_data(found)
    return {
        "findings": [_described(lesion) | _proposed(lesion, found.planned) for lesion in found.lesions],
        "plan": _plan(found.planned),
        "rejected": [_described(candidate) for candidate in found.rejected],
        "follow_up": found.follow_up and _followed(found.follow_up),
        "corrections": _corrections(found.corrections),
    }


def _plan(planned: Planned | None) -> dict[str, Any] | None:
    if planned is None:
        return None
    data = as_data(planned.plan, planned.case)
    return data | {"remarks": [*planned.remarks, *data["remarks"]]}


def _proposed(lesion: Lesion, planned: Planned | None) -> dict[str, Any]:
    if planned is None:
        return {"sessions": None, "prescription": None}
    dose = planned.prescription_of(lesion.short_label)
    said = dose and {"dose_gy": dose.dose_gy, "fractions": dose.fractions, "source": dose.source}
    return {"sessions": list(planned.session_of(lesion.short_label)), "prescription": said}


def _described(lesion: Lesion) -> dict[str, Any]:
    site = lesion.site
    # The mapping of distances may be of a kind that cannot be copied deeply.
    return asdict(replace(lesion, distances_mm={})) | {
        "short_label": lesion.short_label,
        "distances_mm": {name: round(mm, 3) for name, mm in lesion.distances_mm.items()},
        "site": site
        and {
            "code": site.code.value,
            "scheme": site.code.scheme_designator,
            "meaning": site.code.meaning,
            "laterality": site.laterality and site.laterality.meaning,
            "words": site.words,
        },
    }


def _followed(follow_up: FollowUp) -> dict[str, Any]:
    return asdict(follow_up) | {
        "changes": [_changed(change) for change in follow_up.changes],
        "gone": [_changed(change) for change in follow_up.gone],
        "sum_percent": follow_up.sum_percent,
        "words": follow_up.words,
    }


def _changed(change: Change) -> dict[str, Any]:
    return asdict(change) | {"enhancing_percent": change.enhancing_percent, "words": change.words}


def _corrections(made: Corrections | None) -> dict[str, Any] | None:
    if made is None:
        return None
    changes = [{"edit": c.edit.value, "label": c.label, "tracking_uid": c.tracking_uid, "words": c.words}
               for c in made.changes]  # fmt: skip
    return {"by": made.by, "sop_instance_uid": made.sop_instance_uid, "compared": made.compared, "changes": changes}


def picture(done: Analysis, out: Path) -> Path:
    """Draw `picture.png` from the objects that were written: of lesions slices, of marks the first summary page.

    Raises OurFault when nothing was completed, no page could be drawn, or the report is held back.
    """
    from node.picture import draw, first_page  # noqa: PLC0415 - brings a plotting library that nothing else needs

    png = out / PICTURE
    if isinstance(done.findings, MarkedStudy):
        pages = [path for e, path in done.files if e.part is Part.PAGE]
        return first_page(pages, png)
    if done.findings is None:
        raise OurFault("no picture without findings")
    parts = {e.part: path for e, path in done.files}
    if Part.SR not in parts:
        raise OurFault("no picture: the report is held back")
    images = list(dict.fromkeys(f.path for f in done.findings.frames))
    remarks = done.findings.remarks
    draw(parts.get(Part.RTSTRUCT), images, png, RESEARCH_USE_ONLY, report=parts[Part.SR], remarks=remarks)
    return png


def _series(inputs: Inputs | None) -> list[dict[str, Any]]:
    if inputs is None:
        return []
    return [
        {
            "role": role,
            "series_instance_uid": s.series_instance_uid,
            "instances": len(s.instances),
            "why": inputs.why.get(role, ""),
        }
        for role, s in inputs.series.items()
    ]
