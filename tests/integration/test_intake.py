"""A study is only ever quiet: when routes decide, on what, and how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from node.explain import explain_study, rehearse
from pipeline.core.errors import NotFound, PeerUnreachable
from pipeline.core.job import Outcome, State
from pipeline.core.route import LateImages, Op, Peer, Test
from pipeline.core.study import Association, group
from tests.support.blobs import write_blobs
from tests.support.desk import Node, nobody, route

Make = Callable[..., Node]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def node(*routes: object, count: object = nobody) -> Node:
        return Node(tmp_path / "node", routes or (route(),), count)  # type: ignore[arg-type]

    return node


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    return write_blobs(tmp_path / "series")


def test_nothing_is_decided_before_the_quiet_period_is_over(make: Make, series: list[Path]) -> None:
    node = make()
    node.receive(series)
    assert not node.quiet(59)
    assert node.jobs() == []
    assert node.quiet(2)
    assert node.states() == [State.QUEUED]


def test_every_image_starts_the_quiet_period_anew(make: Make, series: list[Path]) -> None:
    node = make()
    node.receive(series[:4])
    node.quiet(50)
    node.receive(series[4:])
    assert not node.quiet(50)
    assert node.quiet(11)


def test_time_in_which_the_node_did_not_listen_is_no_quiet(make: Make, series: list[Path]) -> None:
    node = make()
    node.receive(series[:4])
    node.clock.advance(3600)  # down; whoever was sending could not
    node.intake = node.make_intake(node.routes, since=node.clock())
    assert not node.quiet(59)
    node.receive(series[4:])
    node.quiet(61)
    assert [j.work.revision for j in node.jobs()] == [1]


def test_the_same_study_sent_three_times_is_one_job(make: Make, series: list[Path]) -> None:
    node = make()
    for _ in range(3):
        node.receive(series)
        node.quiet()
    node.receive(series[:3])
    node.receive(series[3:])
    node.quiet()
    assert len(node.jobs()) == 1


def test_a_late_image_supersedes_what_was_opened_before(make: Make, series: list[Path]) -> None:
    node = make()
    node.receive(series[:7])
    node.quiet()
    node.receive(series[7:])
    node.quiet()
    assert node.states() == [State.CANCELLED, State.QUEUED]
    assert node.jobs()[1].supersedes == node.jobs()[0].id
    assert node.jobs()[1].work.revision == 2


@pytest.mark.parametrize("late_after_s", [1, 3600])
@pytest.mark.parametrize(
    ("policy", "jobs", "outcome"),
    [
        (LateImages.RERUN, 2, Outcome.RUN),
        (LateImages.IGNORE, 1, Outcome.IGNORED),
        (LateImages.ALERT, 1, Outcome.ALERT),
    ],
)
def test_late_images_follow_the_routes_policy(
    make: Make, series: list[Path], policy: LateImages, jobs: int, outcome: Outcome, late_after_s: float
) -> None:
    node = make(route(late_images=policy))
    study = node.receive(series[:7])
    node.quiet()
    node.quiet(late_after_s)
    node.receive(series[7:])
    node.quiet()
    assert len(node.jobs()) == jobs
    assert node.ledger.decisions(study, "LANTERN")[-1].outcome is outcome
    assert bool(node.ledger.alerts()) == (policy is LateImages.ALERT)


def test_a_late_series_that_the_pipeline_does_not_read_changes_nothing(
    make: Make, series: list[Path], tmp_path: Path
) -> None:
    node = make(route(late_images=LateImages.ALERT))
    other = write_blobs(tmp_path / "ct", 3, study="", more={"Modality": "CT"})
    study = node.receive(series)
    node.quiet()
    node.receive(_in_study(other, study, tmp_path))
    node.quiet()
    assert len(node.jobs()) == 1
    assert node.ledger.alerts() == []


def _in_study(files: list[Path], study: str, folder: Path) -> list[Path]:
    from pydicom import dcmread

    moved = []
    for n, file in enumerate(files):
        ds = dcmread(file)
        ds.StudyInstanceUID = study
        ds.save_as(folder / f"moved-{n}.dcm")
        moved.append(folder / f"moved-{n}.dcm")
    return moved


def test_our_own_results_that_the_pacs_sends_back_start_nothing(make: Make, series: list[Path]) -> None:
    node = make()
    study = node.receive(series)
    node.quiet()
    worker = node.worker()
    worker.tick()
    results = [node.archive.absolute(r.path) for _, r in node.ledger.results()]
    assert len(results) == 4
    node.receive(results)
    node.quiet()
    assert len(node.jobs()) == 1
    assert node.ledger.receptions(study)[0].revision == 1


def test_a_route_takes_the_series_for_which_its_condition_holds_and_no_other(
    make: Make, series: list[Path], tmp_path: Path
) -> None:
    node = make(
        route(when=Test("SeriesDescription", Op.REGEX, "KM")), route(name="ct", when=Test("Modality", Op.EQUALS, "CT"))
    )
    study = node.receive(series)
    node.quiet()
    outcomes = {d.route: d.outcome for d in node.ledger.decisions(study, "LANTERN")}
    assert outcomes == {"srs": Outcome.RUN, "ct": Outcome.NO_MATCH}
    assert node.ledger.open_receptions() == []


def test_routes_of_another_called_title_do_not_see_the_study(make: Make, series: list[Path]) -> None:
    node = make(route(name="a", called_ae=("MAMMO",)), route(name="b", called_ae=("LANTERN",)))
    study = node.receive(series)
    node.quiet()
    assert [d.route for d in node.ledger.decisions(study, "LANTERN")] == ["b"]
    node.receive(series, Association("PACS", "MAMMO", "127.0.0.1"))
    node.quiet()
    assert [d.route for d in node.ledger.decisions(study, "MAMMO")] == ["a"]
    assert len(node.jobs()) == 1  # the same work: one inference


def test_routes_decide_each_in_its_own_time(make: Make, series: list[Path]) -> None:
    node = make(
        route(name="quick", quiet_period_s=10), route(name="slow", quiet_period_s=100, destinations=("archive",))
    )
    study = node.receive(series)
    node.quiet(11)
    assert [d.route for d in node.ledger.decisions(study, "LANTERN")] == ["quick"]
    assert len(node.ledger.open_receptions()) == 1
    node.quiet(100)
    assert node.jobs()[0].destinations == ("archive", "pacs")
    assert node.ledger.open_receptions() == []


def test_missing_roles_are_waited_for_and_then_the_pipeline_is_asked_anyway(make: Make, series: list[Path]) -> None:
    node = make(route(required_roles=("mr", "flair"), required_within_s=600))
    node.receive(series)
    assert not node.quiet(61)
    assert node.quiet(600)
    assert len(node.jobs()) == 1


class FakeCount:
    """What a PACS would answer; the network side of it is tested against a real one in test_find.py."""

    def __init__(self, *answers: int | Exception | None) -> None:
        self.answers = list(answers)

    def __call__(self, peer: Peer, study: str) -> int | None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_study_whose_count_matches_the_pacs_starts_at_once(make: Make, series: list[Path]) -> None:
    node = make(route(verify_with="pacs"), count=FakeCount(8))
    node.receive(series)
    assert node.quiet(2)
    assert node.jobs()[0].work.verified


def test_a_study_of_which_the_pacs_has_more_waits_and_then_runs_once(make: Make, series: list[Path]) -> None:
    node = make(route(verify_with="pacs"), count=FakeCount(8))
    node.receive(series[:5])
    assert not node.quiet(120)
    assert node.jobs() == []
    node.receive(series[5:])
    assert node.quiet(6)
    assert not node.quiet(120)
    assert len(node.jobs()) == 1
    assert node.jobs()[0].work.verified


def test_without_an_answer_the_quiet_period_decides_and_the_job_says_unverified(make: Make, series: list[Path]) -> None:
    node = make(route(verify_with="pacs"), count=FakeCount(PeerUnreachable("no answer")))
    node.receive(series)
    assert not node.quiet(2)
    assert node.quiet(60)
    assert not node.jobs()[0].work.verified


def test_a_pacs_that_will_always_have_more_is_not_waited_for_for_ever(make: Make, series: list[Path]) -> None:
    node = make(route(verify_with="pacs", required_within_s=600), count=FakeCount(500))
    node.receive(series)
    assert not node.quiet(599)
    assert node.quiet(10)
    assert not node.jobs()[0].work.verified


def test_the_pacs_own_count_includes_results_that_we_sent_and_is_corrected_for_them(
    make: Make, series: list[Path]
) -> None:
    node = make(route(verify_with="pacs"), count=FakeCount(7, 11))
    node.receive(series[:7])
    node.quiet(2)
    node.worker().tick()
    for d in node.ledger.claim_deliveries("pacs", "d1", node.clock() + timedelta(seconds=60)):
        node.ledger.accepted(d.id, "d1")
    node.receive(series[7:])  # the PACS now has 8 images and our 3 objects
    assert node.quiet(6)
    assert len(node.jobs()) == 2


def test_results_that_went_elsewhere_do_not_make_up_for_missing_images(make: Make, series: list[Path]) -> None:
    node = make(route(verify_with="pacs", destinations=("archive",)), count=FakeCount(4, 8))
    node.receive(series[:4])
    node.quiet(2)
    node.worker().tick()
    for d in node.ledger.claim_deliveries("archive", "d1", node.clock() + timedelta(seconds=60)):
        node.ledger.accepted(d.id, "d1")
    node.receive(series[4:6])  # 6 of 8 are here; the 3 objects in the archive are not among those 8
    assert not node.quiet(6)
    assert len(node.jobs()) == 1


def test_a_worker_that_is_gone_loses_its_job_at_the_next_look(make: Make, series: list[Path]) -> None:
    node = make()
    node.receive(series)
    node.quiet()
    assert node.ledger.claim("dead@here:1:1", node.clock()) is not None
    node.clock.advance(1)
    node.intake.tick()
    assert node.states() == [State.QUEUED]


def test_a_study_that_cannot_be_read_holds_up_no_other(make: Make, series: list[Path], tmp_path: Path) -> None:
    node = make()
    lost = node.receive(series)
    (path, _), *_ = node.ledger.instance_files(lost)
    node.archive.remove(path)
    node.clock.advance(1)
    good = node.receive(write_blobs(tmp_path / "other", 1))
    node.quiet()
    assert [j.work.study_instance_uid for j in node.jobs()] == [good]
    assert [r.study_instance_uid for r in node.ledger.open_receptions()] == [lost]  # not given up either
    node.receive(series)
    node.quiet()
    assert {j.work.study_instance_uid for j in node.jobs()} == {good, lost}


def test_a_pipeline_that_chokes_on_a_study_stops_no_other_route(make: Make, series: list[Path]) -> None:
    node = make(route(name="bad", pipeline="tests.support.pipelines:CHOKES"), route(name="good"))
    study = node.receive(series)
    for _ in range(3):
        node.quiet()
    assert [d.route for d in node.ledger.decisions(study, "LANTERN")] == ["good"]
    assert len(node.jobs()) == 1
    assert len(node.ledger.open_receptions()) == 1  # the other is asked again, for a mended pipeline


def test_a_peer_that_does_not_answer_is_asked_for_one_study_and_not_for_all(
    make: Make, series: list[Path], tmp_path: Path
) -> None:
    asked: list[str] = []

    def silent(_peer: Peer, study: str) -> int | None:
        asked.append(study)
        raise PeerUnreachable("no answer")

    node = make(route(verify_with="pacs"), count=silent)
    node.receive(series)
    node.receive(write_blobs(tmp_path / "other", 1))
    node.quiet(2)
    assert len(asked) == 1
    node.quiet(59)
    assert len(node.jobs()) == 2


def test_a_study_that_waits_for_a_role_is_not_read_at_every_look(
    make: Make, series: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    monkeypatch.setattr("node.intake.group", lambda found: reads.append(len(found)) or group(found))
    node = make(route(required_roles=("mr", "flair"), required_within_s=600))
    node.receive(series[:7])
    node.quiet()
    for _ in range(3):
        node.quiet(1)
    assert reads == [7]
    node.receive(series[7:])
    node.quiet()
    assert reads == [7, 8]


def test_explain_says_rule_by_rule_why_and_what_is_waited_for(make: Make, series: list[Path]) -> None:
    rule = Test("Modality", Op.EQUALS, "CT")
    node = make(route(name="ct", when=rule), route(name="mr", quiet_period_s=600))
    study = node.receive(series)
    node.quiet()
    told = explain_study(node.ledger, node.archive, node.intake, node.routes, study)
    text = "\n".join(line for e in told for line in e.lines())
    assert "Modality equals 'CT' (is MR)" in text
    assert "no_match" in text
    assert "quiet for 61 of 600 s" in text
    assert "the first MR series" in text
    with pytest.raises(NotFound, match=r"1\.2\.99"):
        explain_study(node.ledger, node.archive, node.intake, node.routes, "1.2.99")


def test_a_new_rule_is_rehearsed_on_what_is_here_without_running_it(make: Make, series: list[Path]) -> None:
    node = make(route(name="a", when=Test("Modality", Op.EQUALS, "CT")))
    node.receive(series)
    node.quiet()
    (row,) = rehearse(node.ledger, node.archive, (route(name="a"),))
    assert row["would_take"]
    assert "no_match" in row["was_decided"]
    assert node.jobs() == []
