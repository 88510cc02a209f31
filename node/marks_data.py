"""Marks on projection images as plain values, for `summary.json`.

study_score  0…1, suspicion of the whole study
threshold    marks from this score on are shown
images       {"role": "R-MLO", "sop_instance_uid", "laterality", "view", "score": 0…1, "malignant": 0…1 or null,
             "spacing_mm": [down, across] or null, "nipple_px": [column, row] or null}
breasts      {"laterality", "score", "density": "a" to "d" or null, "dense_share": 0…1 or null}
marks        {"number", "label", "role", "sop_instance_uid", "kind", "score": 0…1, "center_px": [column, row],
             "outline_px": [[column, row]], "long_axis_mm" or null, "tracking_uid"}; in pixels of that image as sent,
             the top left corner of its top left pixel is (0, 0)
rejected_marks  the same, of what was below the threshold or turned down
composites   marks of two views that show the same: {"number", "label", "laterality", "kind", "marks": [number],
             "score", "tracking_uid"}
attempts     {"what", "outcome", "roles", "why"}; quality {"shortcoming", "role", "words"};
unread       images that were not looked at: {"sop_instance_uid", "why"}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pipeline.marks import Mark, MarkedStudy, View


def marks_as_data(study: MarkedStudy) -> dict[str, Any]:
    """JSON-ready; see the module."""
    images = {view.role: view.sop_instance_uid for view in study.views}
    return {
        "study_score": round(study.score, 4),
        "threshold": study.threshold,
        "images": [_view(view) for view in study.views],
        "breasts": [asdict(breast) for breast in study.breasts],
        "marks": _marks(study.marks, images),
        "rejected_marks": _marks(study.rejected, images),
        "composites": [asdict(composite) for composite in study.composites],
        "attempts": [asdict(attempt) for attempt in study.attempts],
        "quality": [asdict(note) for note in study.quality],
        "unread": [{"sop_instance_uid": u.sop_instance_uid, "why": u.why} for u in study.unread],
    }


def _view(view: View) -> dict[str, Any]:
    return {
        "role": view.role,
        "sop_instance_uid": view.sop_instance_uid,
        "laterality": view.laterality,
        "view": view.view,
        "score": round(view.score, 4),
        "malignant": None if view.malignant is None else round(view.malignant, 4),
        "spacing_mm": view.spacing_mm,
        "nipple_px": view.nipple_px,
    }


def _marks(marks: Iterable[Mark], images: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "number": mark.number,
            "label": mark.label,
            "role": mark.role,
            "sop_instance_uid": images[mark.role],
            "kind": mark.kind,
            "score": round(mark.score, 4),
            "center_px": [round(v, 3) for v in mark.center_px],
            "outline_px": [[round(v, 3) for v in point] for point in mark.outline_px],
            "long_axis_mm": mark.long_axis_mm,
            "tracking_uid": mark.tracking_uid,
        }
        for mark in marks
    ]
