"""What a job is told of earlier work: studies from the PACS by C-GET and C-MOVE, own results; and without a PACS."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from pydicom import dcmread

from node.intake import read_instances, work_of
from node.loop import holder_name
from node.recall import FOLDER, own_results, sweep
from node.receive.acceptor import Acceptor, AcceptorOptions
from node.retrieve import Fetched, Library, Retriever, Tick
from node.retrieve_get import CGet
from node.retrieve_move import CMove
from node.worker import Worker
from pipeline import registry
from pipeline.core.job import Job, State
from pipeline.core.result import Kind
from pipeline.core.route import PRIORS, Peer, Route
from pipeline.core.study import Study
from pipeline.imaging.header import read_header
from tests.support.blobs import write_blobs
from tests.support.desk import Node, route
from tests.support.mr import edit
from tests.support.peers import OrthancPeer, free_port
from tests.support.pipelines import dotted

FOLLOWS = route(pipeline=dotted("FOLLOWS_UP"), priors_from="pacs")


def written(folder: Path, date: str) -> list[Path]:
    paths = write_blobs(folder / date, int(date), study=date, date=date)
    edit(paths, PatientID="P1")
    return paths


def worker_of(node: Node, retriever: Retriever, port: int) -> Worker:
    """A worker whose jobs get their earlier studies from the PACS at that port."""
    library = Library(Peer("pacs", "ORTHANC", "127.0.0.1", port), retriever, "LANTERN")

    def fetch(job: Job, study: Study, folder: Path, tick: Tick) -> Fetched:
        assert node.ledger.asked_by(job.id) == ["srs"]
        return library.priors(study, 1, folder, tick)

    worker = node.worker()
    worker._bench = replace(worker._bench, fetch_priors=fetch)
    return worker


def get(node: Node) -> CGet:
    return CGet("LANTERN", None, node.archive.require_room, silence_s=3.0)


def said(node: Node, job: int) -> str:
    """The text of a job's report."""
    ((_, sr),) = node.ledger.results(job_id=job, kind=Kind.SR)
    return str(dcmread(node.archive.absolute(sr.path)))


def results(node: Node, job: int) -> list[Path]:
    return [node.archive.absolute(r.path) for _, r in node.ledger.results(job_id=job)]


def follow(node: Node, images: list[Path], worker: Worker) -> int:
    """Let a study come, and do its job; returns the job's number."""
    node.receive(images)
    node.quiet()
    assert worker.tick()
    assert node.states()[-1] is State.DELIVERING
    return node.jobs()[-1].id


@pytest.mark.real("orthanc")
def test_a_job_gets_the_earlier_study_with_our_own_objects_and_leaves_nothing_behind(
    orthanc: OrthancPeer, tmp_path: Path
) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    worker = worker_of(node, get(node), orthanc.dicom_port)
    before = written(tmp_path, "20250101")
    first = follow(node, before, worker)
    assert "prior_" not in said(node, first)
    orthanc.upload(*before, *results(node, first))
    second = follow(node, written(tmp_path, "20250601"), worker)
    for words in ("prior_0_MR: 8", "prior_0_SEG: 1", "prior_0_SR: 1", "prior_0_RTSTRUCT: 1"):
        assert words in said(node, second)
    assert list((node.archive.root / FOLDER).iterdir()) == []


@pytest.mark.real("orthanc")
def test_other_earlier_studies_make_other_objects_and_the_same_make_the_same(
    orthanc: OrthancPeer, tmp_path: Path
) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    worker = worker_of(node, get(node), orthanc.dicom_port)
    job = follow(node, written(tmp_path, "20250601"), worker)
    made = [_again(node, worker, job) for _ in range(2)]
    orthanc.upload(*written(tmp_path, "20250101"))
    made += [_again(node, worker, job) for _ in range(2)]
    assert made[0] == made[1]
    assert made[2] == made[3]
    assert not set(made[0]) & set(made[2])


def _again(node: Node, worker: Worker, job: int) -> list[str]:
    node.ledger.cancel(job, "test")
    node.ledger.retry(job, "test")
    worker.tick()
    return [r.sop_instance_uid for _, r in node.ledger.results(job_id=job)]


def test_a_pacs_that_is_away_costs_no_result_and_the_report_says_it(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    job = follow(node, written(tmp_path, "20250601"), worker_of(node, get(node), free_port()))
    assert "Not compared with earlier studies" in said(node, job)
    assert len(results(node, job)) == 4


def test_a_job_on_the_same_study_is_told_what_the_one_before_made(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    images = written(tmp_path, "20250601")
    worker = node.worker()
    first = follow(node, images[:7], worker)
    assert "own_" not in said(node, first)
    second = follow(node, images[7:], worker)
    for words in ("own_SEG: 1", "own_RTSTRUCT: 1", "own_SR: 1"):
        assert words in said(node, second)


def test_what_another_route_made_is_not_told_as_ones_own(tmp_path: Path) -> None:
    """Both routes look at the same corrections: the second must not be compared with what the first made of them."""
    options = [replace(FOLLOWS, name=name, options={"n": n}) for n, name in enumerate(("one", "two"))]
    node = Node(tmp_path / "node", tuple(options))
    worker = node.worker()
    node.receive(written(tmp_path, "20250601"))
    node.quiet()
    for _ in options:
        assert worker.tick()
    assert ["own_" in said(node, j.id) for j in node.jobs()] == [False, False]


def test_what_was_made_for_another_person_under_the_same_uids_is_not_told(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    images = written(tmp_path, "20250601")
    worker = node.worker()
    follow(node, images[:7], worker)
    edit(images[7:], PatientID="P2")
    job = node.jobs()[0]
    other = read_header(images[7])
    assert own_results(node.ledger, node.archive, replace(job, id=2, supersedes=job.id), other) is None
    assert own_results(node.ledger, node.archive, replace(job, id=2, supersedes=job.id), read_header(images[0]))
    edit(images[6:7], PatientID="")  # PS3.3 C.7.1.1: Patient ID may be empty
    assert own_results(node.ledger, node.archive, replace(job, id=2, supersedes=job.id), read_header(images[6]))


def test_other_settings_of_earlier_studies_are_other_work_for_a_pipeline_that_follows_up(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", ())
    study = node.receive(written(tmp_path, "20250601"))
    (reception,) = node.ledger.receptions(study)
    images = read_instances(node.archive, node.ledger.instance_files(study))

    def key(**changes: object) -> str:
        asked = route(**changes)
        return work_of(asked, registry.get(asked.pipeline), reception, images, verified=True).key

    follows, plain = {"pipeline": dotted("FOLLOWS_UP")}, {"priors_from": "pacs"}
    settings: list[dict[str, object]] = [{}, plain, {"priors_from": "archive"}, {**plain, "most_priors": 2}]
    assert len({key(**follows, **s) for s in settings}) == 4
    assert key(**follows, most_priors=2) == key(**follows)
    assert key(**plain) == key()


def test_results_whose_files_are_forgotten_are_not_told_of(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (route(pipeline=dotted("FOLLOWS_UP"), destinations=()),))
    images = written(tmp_path, "20250601")
    worker = node.worker()
    node.receive(images[:7])
    node.quiet()
    worker.tick()
    node.clock.advance(1)
    for path in node.ledger.forget_results(node.clock()):
        node.archive.remove(path)
    node.receive(images[7:])
    node.quiet()
    worker.tick()
    assert "own_" not in said(node, node.jobs()[-1].id)


def test_what_a_killed_worker_left_is_swept_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    code = "from node.loop import holder_name; print(holder_name('work'))"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    shelf = node.archive.root / FOLDER
    for holder in (gone, holder_name("work")):
        left = shelf / f"{quote(holder, safe='')}~abc"
        left.mkdir(parents=True)
        (left / "00001.dcm").write_bytes(b"x")
    assert sweep(node.archive, "another") == 1
    assert [f.name for f in shelf.iterdir()] == [f"{quote(holder_name('work'), safe='')}~abc"]
    assert str(os.getpid()) in next(shelf.iterdir()).name


@contextmanager
def listening(node: Node) -> Iterator[int]:
    options = AcceptorOptions(ae_titles=("LANTERN",), host="127.0.0.1", port=0, allow_any_calling_ae=True)
    acceptor = Acceptor(options, node.archive, node.ledger)
    acceptor.start()
    try:
        yield acceptor.port
    finally:
        acceptor.stop(2.0)


def _moving(make: Callable[..., OrthancPeer], port: int) -> OrthancPeer:
    return make(modalities={"lantern": ("LANTERN", "127.0.0.1", port)})


ANY_TITLE: Route = replace(FOLLOWS, called_ae=())


@pytest.mark.real("orthanc")
def test_a_study_that_was_moved_here_is_followed_and_opens_no_job(
    make_orthanc: Callable[..., OrthancPeer], tmp_path: Path
) -> None:
    node = Node(tmp_path / "node", (ANY_TITLE,))
    with listening(node) as port:
        pacs = _moving(make_orthanc, port)
        worker = worker_of(node, CMove("LANTERN", None, node.archive, node.ledger), pacs.dicom_port)
        before = written(tmp_path, "20250101")
        first = follow(node, before, worker)
        pacs.upload(*before, *results(node, first))
        second = follow(node, written(tmp_path, "20250601"), worker)
    for words in ("prior_0_MR: 8", "prior_0_SEG: 1", "prior_0_SR: 1"):
        assert words in said(node, second)
    node.quiet(7200)
    assert len(node.jobs()) == 2
    assert node.ledger.open_receptions() == []
    moved = [r for r in node.ledger.receptions() if r.called_ae == PRIORS]
    assert [(r.instance_count, r.decided) for r in moved] == [(11, True)]


@pytest.mark.parametrize("who", ["VIEWER", "LANTERN"])
@pytest.mark.real("orthanc")
def test_a_study_that_somebody_moves_here_is_work_also_in_our_name(
    make_orthanc: Callable[..., OrthancPeer], tmp_path: Path, who: str
) -> None:
    node = Node(tmp_path / "node", (ANY_TITLE,))
    with listening(node) as port:
        pacs = _moving(make_orthanc, port)
        before = written(tmp_path, "20250101")
        pacs.upload(*before)
        study = str(dcmread(before[0]).StudyInstanceUID)
        command = ["/usr/bin/movescu", "-S", "-aet", who, "-aem", "LANTERN", "-aec", "ORTHANC"]
        keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
        subprocess.run([*command, *keys, "127.0.0.1", str(pacs.dicom_port)], check=True, timeout=60)
    node.quiet()
    assert len(node.jobs()) == 1


@pytest.mark.real("orthanc")
def test_a_pacs_that_does_not_know_where_to_move_to_costs_no_result(orthanc: OrthancPeer, tmp_path: Path) -> None:
    node = Node(tmp_path / "node", (FOLLOWS,))
    orthanc.upload(*written(tmp_path, "20250101"))
    move = CMove("NOBODY", None, node.archive, node.ledger)
    job = follow(node, written(tmp_path, "20250601"), worker_of(node, move, orthanc.dicom_port))
    text = said(node, job)
    assert "prior_" not in text
    assert "earlier studies" in text
