"""What there is: studies, jobs, results."""

from __future__ import annotations

from textwrap import shorten
from typing import Annotated, Any

import typer

from node.cli.app import Config, Json, example
from node.cli.show import show, show_json
from pipeline.core.job import Job, State

LONGEST_REASON = 240
"""Characters of a reason in the list of jobs; `jobs show` and --json have all of it."""

jobs_app = typer.Typer(no_args_is_help=True, help="Jobs: list, show, retry, cancel.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=example("lantern studies --json"), rich_help_panel="What there is")(studies)
    app.command(epilog=example("lantern results 17"), rich_help_panel="What there is")(results)
    app.add_typer(jobs_app, name="jobs", rich_help_panel="What there is")


def studies(
    config: Config = None,
    as_json: Json = False,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
) -> None:
    """List the studies that are here, newest first, with what became of them."""
    from node.wiring import house_from

    house = house_from(config)
    jobs: dict[str, list[Job]] = {}
    for job in house.ledger.jobs(limit=10_000):
        jobs.setdefault(job.work.study_instance_uid, []).append(job)
    conflicts: dict[str, int] = {}
    for conflict in house.ledger.conflicts():
        conflicts[conflict.study_instance_uid] = conflicts.get(conflict.study_instance_uid, 0) + 1
    rows = [
        {
            "study_instance_uid": r.study_instance_uid,
            "called_ae": r.called_ae,
            "from": r.calling_ae,
            "series": r.series_count,
            "images": r.instance_count,
            "last_image": r.last_at,
            "revision": r.revision,
            "decided": r.decided,
            "jobs": [f"{j.id} {j.state.value}" for j in jobs.get(r.study_instance_uid, [])],
            "conflicts": conflicts.get(r.study_instance_uid, 0),
        }
        for r in house.ledger.receptions(limit=limit)
    ]
    show("Studies", rows, as_json=as_json, empty="none has arrived")


@jobs_app.command("list", epilog=example("lantern jobs list --state failed --json"))
def list_jobs(
    config: Config = None,
    as_json: Json = False,
    state: Annotated[list[State] | None, typer.Option(help="Only jobs in this state; may be given again.")] = None,
    study: Annotated[str, typer.Option(help="Only jobs of this Study Instance UID.")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1)] = 50,
) -> None:
    """List jobs, newest first."""
    from node.wiring import house_from

    jobs = house_from(config).ledger.jobs(states=state or (), study_instance_uid=study, limit=limit)
    rows = [_row(j) for j in jobs]
    if not as_json:
        rows = [{**r, "reason": shorten(r["reason"], LONGEST_REASON, placeholder=" …")} for r in rows]
    show("Jobs", rows, as_json=as_json, empty="none")


@jobs_app.command("show", epilog=example("lantern jobs show 17"))
def show_job(
    job_id: Annotated[int, typer.Argument(help="The number of the job.")], config: Config = None, as_json: Json = False
) -> None:
    """Show one job: its history, its results, and how far each is on its way."""
    from node.wiring import house_from

    ledger = house_from(config).ledger
    job = ledger.job(job_id)
    history = [
        {"at": m.at, "event": m.event.value, "from": m.before.value, "to": m.after.value, "by": m.by, "why": m.why}
        for m in ledger.moves(job_id)
    ]
    deliveries = [
        {
            "kind": d.result.kind.value,
            "sop_instance_uid": d.result.sop_instance_uid,
            "destination": d.destination,
            "state": d.state.value,
            "attempts": d.attempts,
            "error": d.error,
            "warning": d.warning,
        }
        for d in ledger.deliveries(job_id=job_id)
    ]
    notes = ledger.notes(job_id)
    faults = [
        {"kind": r.kind.value, "sop_instance_uid": r.sop_instance_uid, "fault": r.fault}
        for _, r in ledger.results(job_id=job_id)
        if r.fault
    ]
    if as_json:
        whole = {"history": history, "deliveries": deliveries, "notes": notes, "quarantined": faults}
        show_json({**_row(job), "supersedes": job.supersedes, **whole})
        return
    show(f"Job {job_id}", [_row(job)], as_json=False)
    show("History", history, as_json=False)
    show("Deliveries", deliveries, as_json=False)
    if notes:
        show("Not as usual", [{"destination": d, "why": n} for d, n in notes.items()], as_json=False)
    if faults:
        show("Quarantined: found wrong, sent nowhere", faults, as_json=False)


@jobs_app.command("retry", epilog=example("lantern jobs retry 17 --compute"))
def retry_job(
    job_id: Annotated[int, typer.Argument(help="The number of the job.")],
    config: Config = None,
    compute: Annotated[
        bool, typer.Option("--compute", help="Compute and write the results again, whatever is parked.")
    ] = False,
) -> None:
    """Set a failed, declined or cancelled job going again: its parked objects, or else its computation.

    What is quarantined is never sent as it is: it is computed again. With --compute so is the rest, in the form that
    each destination takes now; `lantern jobs show` then says what of the earlier objects is left over there.
    """
    from node.wiring import house_from

    state = house_from(config).ledger.retry(job_id, by="command line", compute=compute)
    typer.echo(f"job {job_id} is {state.value}")


@jobs_app.command("cancel", epilog=example("lantern jobs cancel 17"))
def cancel_job(job_id: Annotated[int, typer.Argument(help="The number of the job.")], config: Config = None) -> None:
    """Stop a job; what has not been sent yet stays here."""
    from node.wiring import house_from

    state = house_from(config).ledger.cancel(job_id, by="command line")
    typer.echo(f"job {job_id} is {state.value}")


def results(
    job_id: Annotated[int, typer.Argument(help="Only the results of this job; 0 is all.")] = 0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """List the DICOM objects that were made, with where each is."""
    from node.wiring import house_from

    house = house_from(config)
    rows = [
        {
            "job": number,
            "kind": r.kind.value,
            "sop_instance_uid": r.sop_instance_uid,
            "series_instance_uid": r.series_instance_uid,
            "sent": [f"{d.destination}: {d.state.value}" for d in sent if d.result == r],
            "fault": r.fault,
            "file": str(house.archive.absolute(r.path)) if r.path else "(its time is over)",
        }
        for number, r in house.ledger.results(job_id=job_id)
        for sent in [house.ledger.deliveries(job_id=number)]
    ]
    show("Results", rows, as_json=as_json, empty="none")


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "state": job.state.value,
        "pipeline": job.work.pipeline,
        "version": job.work.version,
        "study_instance_uid": job.work.study_instance_uid,
        "revision": job.work.revision,
        "attempts": job.attempts,
        "destinations": list(job.destinations),
        "count_not_verified": not job.work.verified,
        "created_at": job.created_at,
        "changed_at": job.changed_at,
        "reason": job.reason,
    }
