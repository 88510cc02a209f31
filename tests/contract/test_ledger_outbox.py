"""Results on their way, retries, retention: the same promises on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.core.errors import LedgerUnavailable, NotFound, WrongState
from pipeline.core.job import Event, State
from pipeline.core.result import DeliveryState, Kind
from pipeline.core.study import Added
from storage import Ledger, open_database
from storage.tables import UtcDateTime
from tests.support.ledger import PACS, HandClock, claim, instance, open_job, receive, reception, result

MINUTE = timedelta(seconds=60)


def _produce(ledger: Ledger, clock: HandClock, destinations: tuple[str, ...] = ("pacs",)) -> int:
    job_id = open_job(ledger, clock, destinations=destinations)
    claim(ledger, clock)
    ledger.produced(job_id, "w1", [result(Kind.SEG), result(Kind.SR)])
    return job_id


def test_a_job_is_delivered_with_its_last_delivery_and_not_before(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    first, second = ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)
    ledger.accepted(first.id, "d1")
    assert ledger.job(job_id).state is State.DELIVERING
    ledger.accepted(second.id, "d1")
    assert ledger.job(job_id).state is State.DELIVERED


def test_two_last_answers_at_once_still_finish_the_job(ledger: Ledger, clock: HandClock) -> None:
    for n in range(5):
        job_id = open_job(ledger, clock, f"k{n}", study=f"1.2.{n}", destinations=("a", "b"))
        claim(ledger, clock)
        ledger.produced(job_id, "w1", [result(tag=str(n))])
        ids = [d.id for d in ledger.deliveries(job_id=job_id)]
        threads = [threading.Thread(target=ledger.accepted, args=(i, "d")) for i in ids]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert ledger.job(job_id).state is State.DELIVERED


def test_a_refused_object_is_parked_and_the_others_still_go(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    first, second = ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)
    ledger.refused(first.id, "d1", "0xA900 no SEG here")
    assert ledger.job(job_id).state is State.DELIVERING
    ledger.accepted(second.id, "d1")
    job = ledger.job(job_id)
    assert job.state is State.FAILED
    assert "SEG to pacs: 0xA900 no SEG here" in job.reason


def test_a_retry_of_a_job_with_parked_objects_sends_those_alone(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    first, second = ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)
    ledger.refused(first.id, "d1", "no")
    ledger.accepted(second.id, "d1")
    assert ledger.retry(job_id, "admin") is State.DELIVERING
    assert [d.id for d in ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)] == [first.id]


def test_a_parked_object_can_be_sent_again_while_others_still_wait(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    first, second = ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)
    ledger.refused(first.id, "d1", "no")
    ledger.later([second.id], "busy", clock() + MINUTE)
    assert ledger.retry(job_id, "admin") is State.DELIVERING
    assert [d.id for d in ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)] == [first.id]
    ledger.accepted(first.id, "d1")
    with pytest.raises(WrongState):
        ledger.retry(job_id, "admin")  # nothing is parked


def test_what_was_sent_stays_sent_whatever_a_second_process_says(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    deliveries = ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)
    for d in deliveries:
        ledger.accepted(d.id, "d1")
    ledger.refused(deliveries[0].id, "d2", "0xA900")
    assert {d.state for d in ledger.deliveries(job_id=job_id)} == {DeliveryState.SENT}


def test_what_waits_for_a_destination_that_is_no_more_is_parked(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock, ("pacs", "gone"))
    assert ledger.park_strays(["pacs"], "d1") == 2
    for d in ledger.claim_deliveries("pacs", "d1", clock() + MINUTE):
        ledger.accepted(d.id, "d1")
    job = ledger.job(job_id)
    assert job.state is State.FAILED
    assert "no destination gone" in job.reason
    assert ledger.park_strays(["pacs"], "d1") == 0


def test_a_retry_of_a_failed_computation_starts_with_fresh_attempts(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock)
    ledger.fail(job_id, "w1", "weights corrupt")
    assert ledger.retry(job_id, "admin") is State.QUEUED
    assert claim(ledger, clock).attempts == 1
    with pytest.raises(WrongState):
        ledger.retry(job_id, "admin")


def test_a_claimed_delivery_is_not_claimed_again_until_its_lease_ends(ledger: Ledger, clock: HandClock) -> None:
    _produce(ledger, clock)
    assert len(ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)) == 2
    assert ledger.claim_deliveries("pacs", "d2", clock() + MINUTE) == []
    clock.advance(61)
    assert len(ledger.claim_deliveries("pacs", "d2", clock() + MINUTE)) == 2


def test_deliveries_of_a_holder_known_to_be_gone_are_free_at_once(ledger: Ledger, clock: HandClock) -> None:
    _produce(ledger, clock)
    ledger.claim_deliveries("pacs", "d1", clock() + MINUTE)
    assert ledger.release(["d1"]) == 2
    assert len(ledger.claim_deliveries("pacs", "d2", clock() + MINUTE)) == 2


def test_a_postponed_destination_keeps_its_order_and_delays_no_other(ledger: Ledger, clock: HandClock) -> None:
    jobs = []
    for n in range(3):
        job_id = open_job(ledger, clock, f"k{n}", study=f"1.2.{n}", destinations=("dead", "alive"))
        claim(ledger, clock)
        ledger.produced(job_id, "w1", [result(tag=str(n))])
        clock.advance(1)
        jobs.append(job_id)
    batch = ledger.claim_deliveries("dead", "d1", clock() + MINUTE)
    ledger.later([d.id for d in batch], "no answer", clock() + MINUTE)
    ledger.postpone("dead", clock() + MINUTE)
    assert ledger.claim_deliveries("dead", "d1", clock() + MINUTE) == []
    assert [ledger.claim_deliveries("alive", "d1", clock() + MINUTE)[0].job_id for _ in range(3)] == jobs
    clock.advance(61)
    assert [ledger.claim_deliveries("dead", "d1", clock() + MINUTE)[0].job_id for _ in range(3)] == jobs


def test_a_cancelled_job_sends_nothing_more(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    ledger.cancel(job_id, "admin")
    assert ledger.claim_deliveries("pacs", "d1", clock() + MINUTE) == []
    assert {d.state for d in ledger.deliveries(job_id=job_id)} == {DeliveryState.PARKED}


def test_every_move_is_a_row_that_says_who_and_why(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock, "w7")
    ledger.decline(job_id, "w7", "no contrast-enhanced T1")
    moves = ledger.moves(job_id)
    assert [(m.event, m.before, m.after) for m in moves] == [
        (Event.CLAIM, State.QUEUED, State.RUNNING),
        (Event.DECLINE, State.RUNNING, State.DECLINED),
    ]
    assert (moves[1].by, moves[1].why) == ("w7", "no contrast-enhanced T1")


def test_what_is_not_there_is_said_by_name(ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="job 99"):
        ledger.job(99)
    with pytest.raises(NotFound):
        ledger.retry(99, "admin")


def test_a_study_is_forgotten_only_when_nothing_needs_it(ledger: Ledger, clock: HandClock) -> None:
    def later(days: int) -> datetime:
        return clock() - timedelta(days=days)

    job_id = open_job(ledger, clock)
    ledger.settle(reception(ledger))
    clock.advance(10 * 86400)
    assert ledger.forgettable_studies(later(1), later(5)) == []  # queued
    claim(ledger, clock)
    ledger.fail(job_id, "w1", "no")
    assert ledger.forgettable_studies(later(1), later(5)) == []  # failed, a person may retry
    clock.advance(6 * 86400)
    assert ledger.forgettable_studies(later(1), later(5)) == ["1.2.3"]
    assert len(ledger.forget_study("1.2.3", later(1), later(5))) == 3
    assert ledger.receptions("1.2.3") == []
    assert ledger.job(job_id).state is State.FAILED


def test_a_study_that_gets_an_image_after_it_was_listed_is_not_forgotten(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger, 3)
    ledger.settle(reception(ledger))
    clock.advance(100)
    limit = clock() - timedelta(seconds=1)
    assert ledger.forgettable_studies(limit, limit) == ["1.2.3"]
    receive(ledger, 1, first=4)
    assert ledger.forget_study("1.2.3", limit, limit) == []
    assert reception(ledger).instance_count == 4


def test_what_was_kept_aside_goes_with_the_study_of_the_first(ledger: Ledger, clock: HandClock) -> None:
    first = instance()
    other = replace(first, study_instance_uid="9.9", sha256="0" * 64)
    ledger.add_instance(first, "files/a.dcm", PACS, 10)
    assert ledger.add_instance(other, "files/b.dcm", PACS, 10) is Added.CONFLICT
    ledger.settle(reception(ledger))
    clock.advance(100)
    assert ledger.forget_study("1.2.3", clock(), clock()) == ["files/a.dcm", "files/b.dcm"]
    assert not ledger.refers_to("files/b.dcm")


def test_a_job_that_was_replaced_is_not_set_going_again(ledger: Ledger, clock: HandClock) -> None:
    old = open_job(ledger, clock, "k1")
    receive(ledger, 1, first=4)
    new = open_job(ledger, clock, "k2")
    with pytest.raises(WrongState, match=f"replaced by job {new}"):
        ledger.retry(old, "admin")


def test_a_job_put_back_by_a_worker_that_ends_has_lost_no_attempt(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock)
    assert ledger.put_back(job_id, "w1")
    assert not ledger.put_back(job_id, "w1")
    assert claim(ledger, clock, "w2").attempts == 1


def test_results_at_a_destination_are_counted_once_sent(ledger: Ledger, clock: HandClock) -> None:
    _produce(ledger, clock)
    assert ledger.results_sent("1.2.3", ["pacs"]) == 0
    for d in ledger.claim_deliveries("pacs", "d1", clock() + MINUTE):
        ledger.accepted(d.id, "d1")
    assert ledger.results_sent("1.2.3", ["pacs"]) == 2
    assert ledger.results_sent("1.2.3", ["elsewhere"]) == 0


def test_the_files_of_old_results_are_let_go_and_their_uids_stay_known(ledger: Ledger, clock: HandClock) -> None:
    job_id = _produce(ledger, clock)
    clock.advance(100)
    assert ledger.forget_results(clock()) == []
    for d in ledger.claim_deliveries("pacs", "d1", clock() + MINUTE):
        ledger.accepted(d.id, "d1")
    assert len(ledger.forget_results(clock())) == 2
    assert ledger.forget_results(clock()) == []
    for _, ours in ledger.results(job_id=job_id):
        same = replace(instance(), sop_instance_uid=ours.sop_instance_uid, sha256=ours.sha256)
        assert ledger.add_instance(same, "files/x.dcm", PACS, 1) is Added.AGAIN


def test_counts_and_heartbeats_tell_what_is_there(ledger: Ledger, clock: HandClock) -> None:
    _produce(ledger, clock)
    ledger.beat("work@host")
    clock.advance(5)
    ledger.beat("work@host")
    counts = ledger.counts()
    assert counts.jobs == {"delivering": 1}
    assert counts.deliveries == {("pacs", "waiting"): 2}
    assert (counts.instances, counts.open_receptions) == (3, 1)
    assert ledger.heartbeats() == {"work@host": clock()}
    assert ledger.answers()


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), sa.create_engine("sqlite://").dialect)  # noqa: DTZ001


def test_a_database_that_cannot_be_opened_is_said_with_a_hint() -> None:
    with pytest.raises(LedgerUnavailable, match="database"):
        open_database("nonsense://")
    with pytest.raises(LedgerUnavailable, match="database_url"):
        open_database("postgresql://nobody@127.0.0.1:1/x").migrate()
