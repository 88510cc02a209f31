"""The same promises on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.core.errors import LedgerUnavailable
from pipeline.core.job import Decision, Outcome, State
from pipeline.core.result import Kind
from pipeline.core.route import PRIORS
from pipeline.core.study import Added, Association
from storage import Ledger, open_database
from storage.tables import metadata
from tests.support.ledger import PACS, HandClock, claim, instance, open_job, receive, reception, result, work

MINUTE = timedelta(seconds=60)


def test_the_migrations_build_exactly_the_tables_that_the_code_describes(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = open_database(url)
    database.migrate()
    with database.read() as db:
        difference = compare_metadata(MigrationContext.configure(db), metadata)
    database.close()
    assert difference == []


def test_several_processes_may_migrate_at_once(url: str) -> None:
    errors: list[Exception] = []

    def migrate() -> None:
        database = open_database(url)
        try:
            database.migrate()
        except Exception as e:  # noqa: BLE001 - collected for the assertion
            errors.append(e)
        database.close()

    threads = [threading.Thread(target=migrate) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []


def test_an_empty_database_gets_its_tables_from_who_may_make_them_and_from_nobody_else(url: str) -> None:
    database = open_database(url)
    with pytest.raises(LedgerUnavailable, match="no tables yet"):
        database.require_current()
    database.require_current(make=True)
    database.require_current()
    database.close()


@pytest.mark.parametrize("earlier", [True, False])
def test_a_database_that_has_tables_is_changed_by_no_command(url: str, earlier: bool) -> None:
    database = open_database(url)
    if earlier:
        database.migrate()
    with database.write() as db:
        statement = "UPDATE alembic_version SET version_num = '0001'" if earlier else "CREATE TABLE other (id INTEGER)"
        db.execute(sa.text(statement))
    with pytest.raises(LedgerUnavailable, match="another version" if earlier else "no tables yet"):
        database.require_current(make=True)
    with database.read() as db:
        there = sa.inspect(db).get_table_names()
    assert ("job" in there) is earlier
    database.close()


def test_an_instance_is_new_once_and_then_known(ledger: Ledger) -> None:
    i = instance()
    assert ledger.known(i.sop_instance_uid) is None
    assert ledger.add_instance(i, "files/a.dcm", PACS, 10) is Added.NEW
    assert ledger.add_instance(i, "files/a.dcm", PACS, 10) is Added.AGAIN
    known = ledger.known(i.sop_instance_uid)
    assert known is not None
    assert (known.sha256, known.path) == (i.sha256, "files/a.dcm")
    assert reception(ledger).instance_count == 1


def test_other_content_under_the_same_uid_is_kept_aside_and_the_first_stays(ledger: Ledger) -> None:
    first, second = instance(), instance(content="other")
    ledger.add_instance(first, "files/a.dcm", PACS, 10)
    assert ledger.add_instance(second, "files/b.dcm", PACS, 10) is Added.CONFLICT
    assert ledger.add_instance(second, "files/b.dcm", PACS, 10) is Added.CONFLICT
    assert [(c.sop_instance_uid, c.path) for c in ledger.conflicts()] == [(first.sop_instance_uid, "files/b.dcm")]
    assert ledger.instance_files("1.2.3") == [("files/a.dcm", first.sha256)]


def test_the_same_content_in_another_encoding_is_no_conflict(ledger: Ledger) -> None:
    first, recoded = instance(), instance(content="same pixels, JPEG-LS")
    ledger.add_instance(first, "files/a.dcm", PACS, 10)
    assert ledger.add_instance(recoded, "files/b.dcm", PACS, 10, same_as=first.sha256) is Added.AGAIN
    assert ledger.conflicts() == []


def test_a_drawing_of_ours_with_other_content_is_kept_aside_and_no_work(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger)
    open_job(ledger, clock)
    job, made = claim(ledger, clock), result()
    assert made.kind is Kind.SEG
    assert ledger.produced(job.id, "w1", [made])
    came = replace(instance(99), sop_instance_uid=made.sop_instance_uid)
    assert ledger.add_instance(came, "files/b.dcm", PACS, 10) is Added.CONFLICT
    assert [c.sop_instance_uid for c in ledger.conflicts()] == [made.sop_instance_uid]
    assert reception(ledger).instance_count == 3


def test_a_study_is_expected_for_its_time_and_for_longer_when_asked_for_again(ledger: Ledger, clock: HandClock) -> None:
    assert not ledger.expects("1.2.3")
    ledger.expect("1.2.3", 60)
    clock.advance(59)
    assert ledger.expects("1.2.3")
    assert not ledger.expects("1.2.4")
    ledger.expect("1.2.3", 60)
    clock.advance(59)
    assert ledger.expects("1.2.3")
    clock.advance(2)
    assert not ledger.expects("1.2.3")


def test_a_shorter_wait_of_another_job_ends_no_longer_one(ledger: Ledger, clock: HandClock) -> None:
    ledger.expect("1.2.3", 960)
    clock.advance(10)
    ledger.expect("1.2.3", 60)
    clock.advance(900)
    assert ledger.expects("1.2.3")


def test_two_called_titles_have_receptions_of_their_own(ledger: Ledger) -> None:
    receive(ledger, 3)
    receive(ledger, 2, association=Association("PACS", "MAMMO", "127.0.0.1"))
    counts = {r.called_ae: r.instance_count for r in ledger.receptions("1.2.3")}
    assert counts == {"LANTERN": 3, "MAMMO": 2}
    assert len(ledger.instance_files("1.2.3")) == 3
    assert len(ledger.instance_files("1.2.3", "MAMMO")) == 2


def test_a_late_image_on_a_decided_study_opens_the_next_revision(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger, 3)
    seen = reception(ledger)
    assert ledger.decide(seen, Decision("srs", Outcome.NO_MATCH, "no series", seen.revision, clock()))
    ledger.settle(seen)
    assert ledger.open_receptions() == []
    receive(ledger, 1, first=4)
    assert [r.revision for r in ledger.open_receptions()] == [2]


def test_more_images_before_a_decision_do_not_open_a_revision(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger, 2)
    clock.advance(5)
    receive(ledger, 2, first=3)
    (seen,) = ledger.open_receptions()
    assert (seen.revision, seen.instance_count, seen.last_at - seen.first_at) == (1, 4, timedelta(seconds=5))


def test_a_decision_on_an_outdated_view_of_the_study_is_refused(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger, 3)
    old = reception(ledger)
    ledger.decide(old, Decision("a", Outcome.NO_MATCH, "", 1, clock()))
    receive(ledger, 1, first=4)
    late = Decision("b", Outcome.RUN, "", 1, clock())
    assert ledger.open_job(old, late, work(), ["1.2.3.1"], ["pacs"]) is None
    assert not ledger.decide(old, Decision("b", Outcome.NO_MATCH, "", 1, clock()))
    assert ledger.jobs() == []


def test_an_image_that_came_after_the_study_was_read_makes_the_decision_wait(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger, 3)
    read = reception(ledger)
    clock.advance(1)
    receive(ledger, 1, first=4)  # no decision yet, so that the revision is still the first
    assert ledger.open_job(read, Decision("a", Outcome.RUN, "", 1, clock()), work(), ["1.2.3.1"], ["pacs"]) is None
    assert not ledger.decide(read, Decision("a", Outcome.NO_MATCH, "", 1, clock()))
    assert ledger.decide(reception(ledger), Decision("a", Outcome.NO_MATCH, "", 1, clock()))


def test_equal_work_is_one_job_with_the_destinations_of_both_routes(ledger: Ledger, clock: HandClock) -> None:
    first = open_job(ledger, clock, destinations=("pacs",), route="a")
    second = open_job(ledger, clock, destinations=("archive",), route="b")
    assert first == second
    assert ledger.job(first).destinations == ("archive", "pacs")
    assert len(ledger.jobs()) == 1


def test_a_destination_added_to_a_delivered_job_sends_its_results_there(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock, destinations=())
    claim(ledger, clock)
    ledger.produced(job_id, "w1", [result()])
    assert ledger.job(job_id).state is State.DELIVERED
    open_job(ledger, clock, destinations=("archive",), route="b")
    assert ledger.job(job_id).state is State.DELIVERING
    assert [d.destination for d in ledger.deliveries(job_id=job_id)] == ["archive"]


def test_a_changed_study_supersedes_the_job_that_waits(ledger: Ledger, clock: HandClock) -> None:
    old = open_job(ledger, clock, "k1")
    receive(ledger, 1, first=4)
    new = open_job(ledger, clock, "k2")
    assert ledger.job(old).state is State.CANCELLED
    assert ledger.job(new).supersedes == old
    assert str(new) in ledger.job(old).reason


def test_two_routes_with_one_pipeline_do_not_supersede_each_other(ledger: Ledger, clock: HandClock) -> None:
    first = open_job(ledger, clock, "k1", route="a")
    second = open_job(ledger, clock, "k2", route="b")
    assert {ledger.job(first).state, ledger.job(second).state} == {State.QUEUED}
    assert ledger.job(second).supersedes is None
    receive(ledger, 1, first=4)
    third = open_job(ledger, clock, "k3", route="a")
    assert ledger.job(third).supersedes == first
    assert (ledger.job(first).state, ledger.job(second).state) == (State.CANCELLED, State.QUEUED)


def test_a_superseded_job_that_another_route_wants_goes_on(ledger: Ledger, clock: HandClock) -> None:
    shared = open_job(ledger, clock, "k1", route="a")
    assert open_job(ledger, clock, "k1", route="ignores late images") == shared
    receive(ledger, 1, first=4)
    new = open_job(ledger, clock, "k2", route="a")
    assert ledger.job(new).supersedes == shared
    assert ledger.job(shared).state is State.QUEUED
    assert open_job(ledger, clock, "k2", route="ignores late images") == new  # after all it does not
    assert ledger.job(shared).state is State.CANCELLED


def test_a_superseded_job_that_is_wanted_after_all_runs(ledger: Ledger, clock: HandClock) -> None:
    old = open_job(ledger, clock, "k1")
    receive(ledger, 1, first=4)
    new = open_job(ledger, clock, "k2")
    assert open_job(ledger, clock, "k1", route="b") == old
    assert ledger.job(old).state is State.QUEUED
    ledger.cancel(new, "admin")
    assert open_job(ledger, clock, "k2", route="b2") == new
    assert ledger.job(new).state is State.CANCELLED  # a person's word stands


def test_a_superseded_job_that_runs_cannot_produce_any_more(ledger: Ledger, clock: HandClock) -> None:
    old = open_job(ledger, clock, "k1")
    claim(ledger, clock)
    receive(ledger, 1, first=4)
    open_job(ledger, clock, "k2")
    assert not ledger.renew(old, "w1", clock() + MINUTE)
    assert not ledger.produced(old, "w1", [result()])
    assert ledger.results() == []


def test_claims_go_by_priority_and_then_by_age(ledger: Ledger, clock: HandClock) -> None:
    for n, priority in enumerate((0, 5, 0)):
        open_job(ledger, clock, f"k{n}", study=f"1.2.{n}", priority=priority)
    assert [claim(ledger, clock).work.key for _ in range(3)] == ["k1", "k0", "k2"]
    assert ledger.claim("w1", clock() + MINUTE) is None


def test_no_job_is_claimed_twice_by_six_workers(ledger: Ledger, clock: HandClock) -> None:
    for n in range(30):
        open_job(ledger, clock, f"k{n}", study=f"1.2.{n}")
    taken: list[int] = []

    def work_all(name: str) -> None:
        while (job := ledger.claim(name, clock() + MINUTE)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=work_all, args=(f"w{k}",)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    # On PostgreSQL a locked row is skipped, so a worker may find nothing while another still claims: the rest is left.
    while (job := ledger.claim("last", clock() + MINUTE)) is not None:
        taken.append(job.id)
    assert sorted(taken) == sorted({j.id for j in ledger.jobs()})
    assert len(taken) == 30


def test_a_job_whose_lease_ran_out_is_queued_again_and_its_old_worker_is_refused(
    ledger: Ledger, clock: HandClock
) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock)
    clock.advance(61)
    assert ledger.expire([], max_attempts=3) == [job_id]
    assert not ledger.produced(job_id, "w1", [result()])
    assert not ledger.renew(job_id, "w1", clock() + MINUTE)
    assert claim(ledger, clock, "w2").attempts == 2


def test_a_job_of_a_worker_known_to_be_gone_does_not_wait_for_its_lease(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock)
    assert ledger.holders() == {"w1"}
    assert ledger.expire(["w1"], max_attempts=3) == [job_id]
    assert ledger.job(job_id).state is State.QUEUED


def test_after_its_last_attempt_a_job_is_parked_with_the_reason(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock)
    for _ in range(2):
        claim(ledger, clock)
        ledger.give_back(job_id, "w1", "the process died (SIGSEGV)", clock(), max_attempts=2)
    job = ledger.job(job_id)
    assert job.state is State.FAILED
    assert "SIGSEGV" in job.reason
    assert "2 times" in job.reason


def test_a_job_given_back_waits_until_its_time(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock)
    claim(ledger, clock)
    assert ledger.give_back(job_id, "w1", "busy", clock() + MINUTE, max_attempts=3) is State.QUEUED
    assert ledger.claim("w1", clock() + MINUTE) is None
    clock.advance(61)
    assert claim(ledger, clock).id == job_id


def test_results_deliveries_and_the_move_are_one_transaction(ledger: Ledger, clock: HandClock) -> None:
    job_id = open_job(ledger, clock, destinations=("pacs", "archive"))
    claim(ledger, clock)
    with pytest.raises(sa.exc.IntegrityError):
        ledger.produced(job_id, "w1", [result(), result()])  # the same UID twice: must leave nothing behind
    assert ledger.results() == []
    assert ledger.job(job_id).state is State.RUNNING
    ledger.produced(job_id, "w1", [result(Kind.SEG), result(Kind.SR)])
    assert ledger.job(job_id).state is State.DELIVERING
    assert len(ledger.deliveries(job_id=job_id)) == 4


def test_a_job_knows_the_routes_that_asked_for_it_in_their_order(ledger: Ledger, clock: HandClock) -> None:
    receive(ledger)
    first = open_job(ledger, clock, route="b")
    assert open_job(ledger, clock, route="a") == first
    assert ledger.asked_by(first) == ["b", "a"]
    assert ledger.asked_by(first + 1) == []


def test_images_are_counted_by_series_for_each_title(ledger: Ledger) -> None:
    for n, series in ((1, "1.2.3.4"), (2, "1.2.3.4"), (3, "1.2.3.5")):
        i = instance(n, series=series)
        ledger.add_instance(i, str(i.path), Association("PACS", PRIORS, "127.0.0.1"), 10)
    receive(ledger, 1, first=4)
    assert ledger.series_counts("1.2.3", PRIORS) == {"1.2.3.4": 2, "1.2.3.5": 1}
    assert ledger.series_counts("1.2.3", "LANTERN") == {"1.2.3.4": 1}


def test_a_result_of_ours_that_we_fetched_is_kept_and_one_that_is_sent_to_us_is_not(
    ledger: Ledger, clock: HandClock
) -> None:
    receive(ledger)
    open_job(ledger, clock)
    job, made = claim(ledger, clock), result()
    assert ledger.produced(job.id, "w1", [made])
    came = replace(instance(99), sop_instance_uid=made.sop_instance_uid)
    assert ledger.add_instance(came, "files/b.dcm", PACS, 10, same_as=made.sha256) is Added.AGAIN
    assert ledger.known(made.sop_instance_uid) is None
    assert ledger.add_instance(came, "files/b.dcm", Association("PACS", PRIORS, "127.0.0.1"), 10) is Added.NEW
    assert ledger.add_instance(came, "files/b.dcm", PACS, 10, same_as=made.sha256) is Added.AGAIN
    assert reception(ledger).instance_count == 3
