"""Earlier studies that `lantern analyze --prior` was given and did not use, each with the reason."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pipeline.core.patient import differences, is_earlier, patient_of
from pipeline.core.study import Study

NOTHING_COMPARED = "nothing in it can be compared with this study"


def unused(study: Study, priors: Sequence[Study], used: Collection[str]) -> tuple[str, ...]:
    """A sentence for each earlier study that could not be one, or of which nothing was used; without values.

    used: Series Instance UIDs of all earlier series that were. Where any was, others of the patient go unmentioned.
    """
    return tuple(
        f"the earlier study {prior.study_instance_uid} was not used: {why}"
        for prior in priors
        if (why := _why_none(study, prior) or ("" if used else NOTHING_COMPARED))
    )


def _why_none(study: Study, prior: Study) -> str:
    """What keeps a study from being an earlier one of the patient; "" where nothing does."""
    now, then = patient_of(study.instances[0]), patient_of(prior.instances[0])
    if other := differences(now, then):
        return f"it is of another person ({', '.join(other)})"
    if not (now.patient_id and then.patient_id):
        return f"{'its' if now.patient_id else 'the new'} images name no Patient ID"
    if prior.study_instance_uid == study.study_instance_uid:
        return "it is the study itself"
    if not (now.study_date and then.study_date):
        return f"{'its' if now.study_date else 'the new'} images name no Study Date"
    return "" if is_earlier(prior.study_instance_uid, then.study_date, now) else "it is not of an earlier day"
