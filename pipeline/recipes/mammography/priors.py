"""Earlier mammograms of the same woman: which there are, and which marks lie on a view that they have too.

They are named, so that a radiologist hangs them beside; this version does not compare their pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipeline.contract import Earlier, Inputs
from pipeline.core.patient import digits, is_earlier, is_same_person, patient_of
from pipeline.core.study import Series, Study
from pipeline.imaging.mammogram.image import MgImage
from pipeline.imaging.mammogram.study import matching_roles, select_views
from pipeline.marks import Mark

PRIOR = "prior "
"""Roles of earlier views begin so: "prior R-MLO"."""
NOT_COMPARED = "They were not compared: this version names earlier images only."


def recall(inputs: Inputs, views: Mapping[str, MgImage], earlier: Earlier) -> Inputs:
    """The inputs, with the views of the newest earlier study that matches any, as roles of their own; headers only.

    views: by role, those that were chosen. Nothing of another person or of the same day is taken.
    """
    if not views:
        return inputs
    for study in (s for s in earlier.priors if _before(s, next(iter(views.values())))):
        there = select_views(study).views
        found = matching_roles(views, there)
        if found:
            series = {f"{PRIOR}{role}": _alone(there[prior]) for role, prior in found.items()}
            why = dict.fromkeys(series, "the same view of an earlier study, named and not compared")
            return replace(inputs, series={**inputs.series, **series}, why={**inputs.why, **why})
    return inputs


def without_priors(inputs: Inputs) -> dict[str, Series]:
    """The views to read, by role."""
    return {role: series for role, series in inputs.series.items() if not role.startswith(PRIOR)}


def said_of_priors(inputs: Inputs, marks: Iterable[Mark]) -> tuple[str, ...]:
    """Of which date there are earlier mammograms, of which views, and which marks lie on one of them."""
    there = {role.removeprefix(PRIOR): s for role, s in inputs.series.items() if role.startswith(PRIOR)}
    if not there:
        return ()
    date = digits(str(next(iter(there.values())).first.get("StudyDate") or ""))
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else "an earlier day"
    listed = list(marks)
    seen = [f"{m.label} on {m.role}" for m in listed if m.role in there]
    new = [f"{m.label} on {m.role}" for m in listed if m.role not in there]
    words = [f"Earlier mammograms of {day} are there: {', '.join(there)}. {NOT_COMPARED}"]
    if seen:
        words.append(f"The same view of {day} is there for {', '.join(seen)}.")
    if new:
        words.append(f"No such view of {day} is there for {', '.join(new)}.")
    return tuple(words)


def _alone(image: MgImage) -> Series:
    return Series(image.instance.series_instance_uid, (image.instance,))


def _before(study: Study, view: MgImage) -> bool:
    """A study of the same woman, of an earlier day."""
    if not study.instances:
        return False
    now, then = patient_of(view.instance), patient_of(study.instances[0])
    now = replace(now, study_instance_uid=view.instance.study_instance_uid)
    return is_same_person(then, now) and is_earlier(study.study_instance_uid, then.study_date, now)
