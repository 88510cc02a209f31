"""Why a study does or does not run: every route's answer, rule by rule, and what it still waits for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.intake import Intake, study_of
from pipeline import registry
from pipeline.contract import Inputs
from pipeline.core.errors import HeaderUnusable, NotFound
from pipeline.core.job import Decision
from pipeline.core.result import DeliveryState
from pipeline.core.route import Match, Route, match
from pipeline.core.study import Study
from pipeline.imaging.header import scan
from storage import Archive, Ledger


@dataclass(frozen=True, slots=True)
class Explanation:
    """One route's answer to one study, and what became of it.

    selection: what the pipeline makes of the series that the route takes, in a sentence.
    waits_for: what the route waits for before it decides; empty once it has.
    results:   of its jobs, what is quarantined, and what a destination does not get; a sentence each.
    """

    study_instance_uid: str
    called_ae: str
    match: Match
    selection: str
    waits_for: str = ""
    decisions: tuple[Decision, ...] = ()
    results: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For a person to read."""
        answer = "takes this study" if self.match.taken else "does not take this study"
        head = f"route {self.match.route.name} ({self.match.route.pipeline}), as {self.called_ae}: {answer}"
        why = [line for uid, verdict in self.match.why for line in (f"  series {uid}", *verdict.lines(2))]
        tail = [f"  pipeline: {self.selection}"] if self.selection else []
        tail += [f"  waits for: {self.waits_for}"] if self.waits_for else []
        tail += [f"  decided: {_sentence(d)}" for d in self.decisions]
        tail += [f"  results: {said}" for said in self.results]
        return [f"study {self.study_instance_uid}", head, *why, *tail, ""]

    def as_dict(self) -> dict[str, Any]:
        """For a program to read."""
        return {
            "study_instance_uid": self.study_instance_uid,
            "called_ae": self.called_ae,
            "route": self.match.route.name,
            "pipeline": self.match.route.pipeline,
            "taken": self.match.taken is not None,
            "series": [{"series_instance_uid": uid, "taken": v.holds, "why": v.lines()} for uid, v in self.match.why],
            "selection": self.selection,
            "waits_for": self.waits_for,
            "decisions": [
                {"revision": d.revision, "outcome": d.outcome.value, "reason": d.reason, "job": d.job_id, "at": d.at}
                for d in self.decisions
            ],
            "results": list(self.results),
        }


def explain_folder(routes: Sequence[Route], folder: Path, calling_ae: str, called_ae: str) -> list[Explanation]:
    """What the routes would make of the studies in a folder. Raises HeaderUnusable when there is none."""
    studies = scan(folder)
    if not studies:
        raise HeaderUnusable(f"no DICOM image was found in {folder}", "give the folder that holds the series")
    return [_explain(r, s, calling_ae, called_ae) for s in studies for r in routes]


def explain_study(
    ledger: Ledger, archive: Archive, intake: Intake, routes: Sequence[Route], study_instance_uid: str
) -> list[Explanation]:
    """What the routes make of a study that was received. Raises NotFound."""
    receptions = ledger.receptions(study_instance_uid)
    if not receptions:
        raise NotFound(
            f"no study {study_instance_uid} is here",
            "was it sent, to this node, under an AE title of its, and is its time not over? See `lantern studies`",
        )
    found: list[Explanation] = []
    for reception in receptions:
        waits = dict(intake.waits_for(reception))
        decisions = ledger.decisions(study_instance_uid, reception.called_ae)
        study = _stored(ledger, archive, study_instance_uid, reception.called_ae)
        for route in routes:
            decided = tuple(d for d in decisions if d.route == route.name)
            told = _explain(route, study, reception.calling_ae, reception.called_ae)
            found.append(
                Explanation(
                    told.study_instance_uid, told.called_ae, told.match, told.selection,
                    waits.get(route.name, ""), decided, _not_as_usual(ledger, decided),
                )
            )  # fmt: skip
    return found


def rehearse(ledger: Ledger, archive: Archive, routes: Sequence[Route]) -> list[dict[str, Any]]:
    """What the routes would make of every study that is here, beside what was decided; a row each."""
    rows: list[dict[str, Any]] = []
    for r in ledger.receptions():
        study = _stored(ledger, archive, r.study_instance_uid, r.called_ae)
        decided = ledger.decisions(r.study_instance_uid, r.called_ae)
        for route in routes:
            told = _explain(route, study, r.calling_ae, r.called_ae)
            before = [d for d in decided if d.route == route.name]
            rows.append(
                {
                    "study_instance_uid": r.study_instance_uid,
                    "called_ae": r.called_ae,
                    "route": route.name,
                    "would_take": told.match.taken is not None,
                    "pipeline_says": told.selection,
                    "was_decided": _sentence(before[-1]) if before else "",
                }
            )
    return rows


def _not_as_usual(ledger: Ledger, decided: Sequence[Decision]) -> tuple[str, ...]:
    """What became of the results of these decisions' jobs that the admin should know."""
    found: list[str] = []
    for job_id in dict.fromkeys(d.job_id for d in decided if d.job_id):
        held = ledger.deliveries(job_id=job_id, states=[DeliveryState.QUARANTINED])
        kept = {d.result.sop_instance_uid for d in held}
        alone = [r for _, r in ledger.results(job_id=job_id) if r.fault and r.sop_instance_uid not in kept]
        found += [f"job {job_id}: {note}" for note in ledger.notes(job_id).values()]
        found += [f"job {job_id}: {d.result.kind.value} quarantined for {d.destination}: {d.error}" for d in held]
        found += [f"job {job_id}: {r.kind.value} quarantined: {r.fault}" for r in alone]
    return tuple(found)


def _stored(ledger: Ledger, archive: Archive, study_instance_uid: str, called_ae: str) -> Study:
    found = study_of(ledger, archive, study_instance_uid, called_ae)
    if found is None:
        raise NotFound(f"nothing of study {study_instance_uid} is here any more", "send it again")
    return found


def _explain(route: Route, study: Study, calling_ae: str, called_ae: str) -> Explanation:
    found = match(route, study, calling_ae=calling_ae, called_ae=called_ae)
    selection = _selection(route, found.taken) if found.taken else ""
    return Explanation(study.study_instance_uid, called_ae, found, selection)


def _selection(route: Route, taken: Study) -> str:
    chosen = registry.get(route.pipeline).select(taken, route.options)
    if not isinstance(chosen, Inputs):
        return f"declines: {chosen.reason}"
    parts = [
        f"{role} is series {s.series_instance_uid}: {chosen.why.get(role, '')}" for role, s in chosen.series.items()
    ]
    return "; ".join(parts)


def _sentence(d: Decision) -> str:
    job = f", job {d.job_id}" if d.job_id else ""
    return f"revision {d.revision}: {d.outcome.value}{job}{': ' + d.reason if d.reason else ''}"
