"""Profiles, shares and quarantine: the same promises on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pipeline.core.errors import OurFault, WrongState
from pipeline.core.job import Decision, Outcome, State
from pipeline.core.profile import Profile, Refused
from pipeline.core.result import DeliveryState, Kind, Result, Share
from storage import Ledger, engine, open_database
from tests.support.ledger import START, HandClock, claim, open_job, reception, result, work

MINUTE = timedelta(seconds=60)
HERE = "PACS@here:104"
PAIRS = frozenset({("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.1.2.1")})
SEG, SR = result(Kind.SEG), result(Kind.SR)


def _produce(ledger: Ledger, clock: HandClock, plan: dict[str, Share], *results: object) -> int:
    job_id = open_job(ledger, clock, destinations=tuple(plan))
    claim(ledger, clock)
    assert ledger.produced(job_id, "w1", results or [SEG, SR], plan)  # type: ignore[arg-type]
    return job_id


def _share(*results: object, **more: object) -> Share:
    return Share(tuple(r.sop_instance_uid for r in results), **more)  # type: ignore[arg-type, attr-defined]


def _send_all(ledger: Ledger, clock: HandClock, destination: str) -> list[Kind]:
    batch = ledger.claim_deliveries(destination, "d1", clock() + MINUTE)
    for d in batch:
        ledger.accepted(d.id, "d1")
    return [d.result.kind for d in batch]


def test_a_profile_comes_back_as_it_was_kept_and_the_newest_counts(ledger: Ledger, clock: HandClock) -> None:
    assert ledger.profile("pacs", HERE) is None
    kept = Profile(HERE, START, START, PAIRS, "OFFIS", "")
    ledger.keep_profile("pacs", kept)
    assert ledger.profile("pacs", HERE) == kept
    newer = replace(kept, accepted=frozenset(), asked_at=START + MINUTE, probed_at=START + MINUTE)
    ledger.keep_profile("pacs", newer)
    assert ledger.profile("pacs", HERE) == newer
    assert ledger.profile("other", HERE) is None


def test_what_is_known_of_another_endpoint_counts_as_nothing(ledger: Ledger) -> None:
    ledger.keep_profile("pacs", Profile(HERE, START, START, PAIRS))
    assert ledger.profile("pacs", "PACS@there:104") is None
    ledger.keep_profile("pacs", Profile("PACS@there:104", START, error="no connection"))
    moved = ledger.profile("pacs", "PACS@there:104")
    assert moved is not None
    assert not moved.is_known
    assert ledger.profile("pacs", HERE) is None


def test_what_a_destination_said_stands_while_it_is_silent(ledger: Ledger) -> None:
    ledger.keep_profile("pacs", Profile(HERE, START, START, PAIRS, "OFFIS"))
    ledger.keep_profile("pacs", Profile(HERE, START + MINUTE, error="no connection"))
    assert ledger.profile("pacs", HERE) == Profile(HERE, START + MINUTE, START, PAIRS, "OFFIS", "no connection")


def test_what_a_destination_refused_by_status_stands_whatever_it_says_when_asked(ledger: Ledger) -> None:
    first, later, other = (
        Refused("1.2", 0x0122, START),
        Refused("1.2", 0x0118, START + MINUTE),
        Refused("1.3", 290, START),
    )
    ledger.keep_refusal("pacs", HERE, first)
    assert ledger.profile("pacs", HERE) is None
    ledger.keep_profile("pacs", Profile(HERE, START, START, PAIRS))
    assert ledger.profile("pacs", HERE) == Profile(HERE, START, START, PAIRS, refused=(first,))
    ledger.keep_refusal("pacs", HERE, later)
    ledger.keep_refusal("pacs", HERE, other)
    ledger.keep_refusal("elsewhere", HERE, other)
    ledger.keep_profile("pacs", Profile(HERE, START + MINUTE, START + MINUTE, PAIRS))
    ledger.keep_profile("pacs", Profile(HERE, START + MINUTE, error="no connection"))
    assert ledger.profile("pacs", HERE).refused == (later, other)  # type: ignore[union-attr]
    assert ledger.forget_refusals("pacs", "1.3") == 1
    assert ledger.profile("pacs", HERE).refused == (later,)  # type: ignore[union-attr]
    assert ledger.forget_refusals("pacs") == 1
    assert ledger.forget_refusals("pacs") == 0
    assert ledger.forget_refusals("elsewhere") == 1


def test_what_was_refused_elsewhere_counts_as_nothing(ledger: Ledger) -> None:
    ledger.keep_refusal("pacs", HERE, Refused("1.2", 0x0122, START))
    ledger.keep_profile("pacs", Profile("PACS@there:104", START, START, PAIRS))
    assert ledger.profile("pacs", "PACS@there:104").refused == ()  # type: ignore[union-attr]


def test_several_processes_may_be_the_first_to_know(url: str, ledger: Ledger) -> None:
    errors: list[Exception] = []

    def keep() -> None:
        database = open_database(url)
        try:
            Ledger(database).keep_profile("pacs", Profile(HERE, START, START, PAIRS))
            Ledger(database).keep_refusal("pacs", HERE, Refused("1.2", 0x0122, START))
        except Exception as e:  # noqa: BLE001 - collected for the assertion
            errors.append(e)
        database.close()

    threads = [threading.Thread(target=keep) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []


def test_each_destination_gets_its_share_and_no_more(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock, {"a": _share(SEG, SR), "b": _share(SR, note="b takes no SEG")})
    assert ledger.notes(job_id) == {"b": "b takes no SEG"}
    assert [r.kind for _, r in ledger.results(job_id=job_id, destination="b")] == [Kind.SR]
    assert _send_all(ledger, clock, "b") == [Kind.SR]
    assert _send_all(ledger, clock, "a") == [Kind.SEG, Kind.SR]
    assert ledger.job(job_id).state is State.DELIVERED


def test_a_warning_stands_beside_a_delivery_that_goes_all_the_same(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock, {"a": _share(SR, warnings={SR.sop_instance_uid: "no StudyID"})}, SR)
    assert _send_all(ledger, clock, "a") == [Kind.SR]
    assert ledger.deliveries(job_id=job_id)[0].warning == "no StudyID"


def test_a_faulty_object_is_sent_nowhere_and_the_job_fails_with_the_reason(ledger: Ledger, clock: HandClock) -> None:
    wrong = replace(SEG, fault="BM01 is mirrored")
    job_id = _produce(ledger, clock, {"a": _share(wrong, SR), "b": _share(wrong, SR)}, wrong, SR)
    for name in ("a", "b"):
        assert ledger.job(job_id).state is State.DELIVERING
        assert _send_all(ledger, clock, name) == [Kind.SR]
    job = ledger.job(job_id)
    assert job.state is State.FAILED
    assert "2 of 4 objects quarantined; SEG to a: BM01 is mirrored" in job.reason
    assert ledger.results(job_id=job_id)[0][1].fault == "BM01 is mirrored"
    assert ledger.counts().faults == 1
    assert ledger.counts().deliveries["a", "quarantined"] == 1


def test_a_job_with_nothing_but_faults_fails_at_once_also_without_a_destination(
    ledger: Ledger, clock: HandClock
) -> None:
    wrong = replace(SEG, fault="mirrored")
    assert ledger.job(_produce(ledger, clock, {"a": _share(wrong)}, wrong)).state is State.FAILED
    other = open_job(ledger, clock, "k2", study="1.2.9", destinations=())
    claim(ledger, clock)
    ledger.produced(other, "w1", [replace(result(tag="2"), fault="mirrored")])
    assert ledger.job(other).state is State.FAILED
    assert "mirrored" in ledger.job(other).reason


def test_a_retry_never_sends_what_is_quarantined_and_computes_again(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock, {"a": _share(SEG, SR, held={SEG.sop_instance_uid: "no Modality"})})
    _send_all(ledger, clock, "a")
    assert ledger.retry(job_id, "admin") is State.QUEUED
    assert ledger.claim_deliveries("a", "d1", clock() + MINUTE) == []
    claim(ledger, clock)
    ledger.produced(job_id, "w1", [SEG, SR], {"a": _share(SEG, SR)})
    assert _send_all(ledger, clock, "a") == [Kind.SEG, Kind.SR]
    assert ledger.job(job_id).state is State.DELIVERED


def test_parked_objects_are_sent_again_before_quarantined_ones_are_computed(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock, {"a": _share(SEG, SR, held={SEG.sop_instance_uid: "no Modality"})})
    (sr,) = ledger.claim_deliveries("a", "d1", clock() + MINUTE)
    ledger.refused(sr.id, "d1", "no")
    assert ledger.retry(job_id, "admin") is State.DELIVERING
    assert _send_all(ledger, clock, "a") == [Kind.SR]
    assert ledger.job(job_id).state is State.FAILED
    assert ledger.retry(job_id, "admin") is State.QUEUED


def test_a_person_may_have_it_computed_although_objects_are_parked(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock, {"a": _share(SR)}, SR)
    (sr,) = ledger.claim_deliveries("a", "d1", clock() + MINUTE)
    with pytest.raises(WrongState):
        ledger.retry(job_id, "admin", compute=True)  # it still delivers
    ledger.refused(sr.id, "d1", "no presentation context")
    assert ledger.retry(job_id, "admin", compute=True) is State.QUEUED


def test_what_a_destination_accepted_of_an_earlier_attempt_is_remembered_until_it_gets_it_again(
    ledger: Ledger, clock: HandClock
) -> None:
    other = result(Kind.SR, "other form")
    job_id = _produce(ledger, clock, {"a": _share(SEG, SR)})
    seg, sr = ledger.claim_deliveries("a", "d1", clock() + MINUTE)
    ledger.accepted(sr.id, "d1")
    ledger.refused(seg.id, "d1", "no")
    (given,) = ledger.given(job_id, "a")
    assert (given.sop_instance_uid, given.kind, given.replaced) == (SR.sop_instance_uid, Kind.SR, False)
    assert ledger.given(job_id, "b") == ()

    def once_more(*results: Result) -> dict[str, bool]:
        ledger.retry(job_id, "admin", compute=True)
        claim(ledger, clock)
        assert ledger.produced(job_id, "w1", results, {"a": _share(*results)})
        return {g.sop_instance_uid: g.replaced for g in ledger.given(job_id, "a")}

    assert once_more(other) == {SR.sop_instance_uid: True}
    ledger.cancel(job_id, "admin")
    assert once_more(other, SEG) == {SR.sop_instance_uid: True}
    first, second = ledger.claim_deliveries("a", "d1", clock() + MINUTE)
    ledger.accepted(first.id, "d1")
    ledger.refused(second.id, "d1", "no")
    assert once_more(SR) == {SR.sop_instance_uid: False, other.sop_instance_uid: True}


def test_a_destination_that_joins_meanwhile_gets_what_the_fullest_gets(ledger: Ledger, clock: HandClock) -> None:
    wrong = replace(SEG, fault="mirrored")
    plan = {"a": _share(wrong, SR, note="a is special"), "b": _share(SR)}
    job_id = open_job(ledger, clock, destinations=("a", "b", "c"))
    claim(ledger, clock)
    ledger.produced(job_id, "w1", [wrong, SR], plan)
    for name in ("a", "b", "c"):
        assert _send_all(ledger, clock, name) == [Kind.SR]
    assert "gets what a gets" in ledger.notes(job_id)["c"]


def test_a_destination_that_joins_later_never_gets_a_faulty_object(ledger: Ledger, clock: HandClock) -> None:
    wrong = replace(SEG, fault="mirrored")
    held = {SR.sop_instance_uid: "no Modality"}
    job_id = _produce(ledger, clock, {"a": _share(wrong, SR, held=held)}, wrong, SR)
    assert ledger.job(job_id).state is State.FAILED
    seen = reception(ledger)
    ledger.open_job(seen, Decision("late", Outcome.RUN, "", seen.revision, clock()), work(), ["1.2.3.1"], ("late",))
    assert ledger.job(job_id).state is State.DELIVERING
    assert _send_all(ledger, clock, "late") == [Kind.SR]
    late = ledger.deliveries(job_id=job_id, destination="late")
    assert [(d.state, d.error, d.warning) for d in late] == [
        (DeliveryState.QUARANTINED, "mirrored", ""),
        (DeliveryState.SENT, "", "no Modality"),
    ]
    assert ledger.job(job_id).state is State.FAILED
    ledger.open_job(seen, Decision("later", Outcome.RUN, "", seen.revision, clock()), work(), ["1.2.3.1"], ("more",))
    assert _send_all(ledger, clock, "more") == [Kind.SR]


def test_a_share_of_what_was_not_made_is_our_own_fault_and_leaves_nothing_behind(
    ledger: Ledger, clock: HandClock
) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock)
    with pytest.raises(OurFault, match="none of its results"):
        ledger.produced(job_id, "w1", [SR], {"pacs": _share(SEG, SR)})
    assert ledger.results(job_id=job_id) == []
    assert ledger.job(job_id).state is State.RUNNING


def test_the_migration_goes_back_and_forth_and_forgets_only_what_was_quarantined(
    url: str, ledger: Ledger, clock: HandClock
) -> None:
    job_id = _produce(ledger, clock, {"a": _share(SEG, SR, held={SEG.sop_instance_uid: "wrong"})})
    ledger.keep_profile("pacs", Profile(HERE, START, START, PAIRS))
    database = open_database(url)
    config = Config()
    config.set_main_option("script_location", str(engine._MIGRATIONS))
    with database.write() as db:
        config.attributes["connection"] = db
        command.downgrade(config, "0002")
    with database.read() as db:
        columns = {t: {c["name"] for c in sa.inspect(db).get_columns(t)} for t in ("result", "delivery")}
        assert not {"profile", "refusal"} & set(sa.inspect(db).get_table_names())
    assert "fault" not in columns["result"]
    assert "warning" not in columns["delivery"]
    database.migrate()
    database.close()
    assert [d.result.kind for d in ledger.deliveries(job_id=job_id)] == [Kind.SR]
    assert ledger.profile("pacs", HERE) is None
    assert len(ledger.results(job_id=job_id)) == 2
