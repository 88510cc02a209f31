"""How far a study is in the demonstration's node, as its ledger knows it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.core.job import ENDS, Job, Outcome, State
from pipeline.core.study import Reception
from storage import Ledger


@dataclass(frozen=True, slots=True)
class Became:
    """How far a study is, in `words`. end: the job that has ended, or why no job was opened; None before that."""

    words: str
    end: Job | str | None = None


def became(ledger: Ledger, study_instance_uid: str) -> Became:
    """Look at a study once. Raises LedgerUnavailable."""
    jobs = ledger.jobs(study_instance_uid=study_instance_uid)
    if jobs:
        job = jobs[0]  # the newest: an earlier one was replaced, because images came late
        why = f" ({job.reason})" if job.reason else ""
        words = f"{job.work.pipeline} {job.state.value}{why}"
        return Became(words, job if job.state in ENDS or job.state is State.FAILED else None)
    for reception in ledger.receptions(study_instance_uid):
        if reception.decided and (why := _not_taken(ledger, reception)):
            return Became("taken by no route", why)
    return Became("waiting for the study to fall quiet")


def _not_taken(ledger: Ledger, reception: Reception) -> str:
    """What each route said to a study that none takes; "" when one takes it."""
    decisions = ledger.decisions(reception.study_instance_uid, reception.called_ae)
    said = [d for d in decisions if d.revision == reception.revision]
    if any(d.outcome is Outcome.RUN for d in said):
        return ""
    return "no route takes the study: " + "; ".join(f"{d.route}: {d.reason}" for d in said)
