"""The health and metrics pages, asked over a real socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from node.web.app import Probe, make_app, make_server
from node.web.metrics import Snapshot, TakeSnapshot
from pipeline.core.errors import LedgerUnavailable
from pipeline.core.job import State
from pipeline.core.result import DeliveryState


def fine() -> tuple[bool, str]:
    return True, "as it should be"


@contextmanager
def served(
    probes: dict[str, Probe] | None = None, snapshot: TakeSnapshot = Snapshot, limit_s: float = 5
) -> Iterator[httpx.Client]:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = make_server(make_app(probes or {}, snapshot, limit_s), "127.0.0.1", port)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def numbers(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Every sample as (name, label values…) -> value, through the parser of Prometheus' own client."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def test_a_node_in_order_is_ready_and_says_why():
    with served({"database": fine, "archive": lambda: (True, "12 GB free")}) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "checks": {
            "database": {"ok": True, "detail": "as it should be"},
            "archive": {"ok": True, "detail": "12 GB free"},
        },
    }
    assert answer.headers["cache-control"] == "no-store"


def test_one_failed_check_makes_the_node_unready_but_not_dead():
    with served({"database": fine, "archive": lambda: (False, "1 GB free, less than the minimum of 5 GB")}) as client:
        ready, health = client.get("/readyz"), client.get("/healthz")
    assert ready.status_code == 503
    assert ready.json()["ready"] is False
    assert ready.json()["checks"]["database"]["ok"] is True
    assert ready.json()["checks"]["archive"] == {"ok": False, "detail": "1 GB free, less than the minimum of 5 GB"}
    assert (health.status_code, health.text) == (200, "ok\n")


def test_a_check_that_raises_is_a_failed_check_with_its_hint_and_without_secrets():
    def down() -> tuple[bool, str]:
        raise LedgerUnavailable("the database does not answer")

    def leaks() -> tuple[bool, str]:
        raise OSError("postgresql://lantern:secret@db/lantern refused")

    with served({"database": down, "receive": leaks}) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "check that the database" in answer.json()["checks"]["database"]["detail"]
    assert answer.json()["checks"]["receive"]["detail"] == "the check itself failed: OSError"
    assert "secret" not in answer.text


def test_a_check_that_hangs_delays_nobody_and_holds_one_thread_however_often_it_is_asked():
    release = threading.Event()
    calls = []

    def hangs() -> tuple[bool, str]:
        calls.append(1)
        release.wait(30)
        return True, "the disk is back"

    try:
        with served({"archive": hangs, "database": fine}, limit_s=0.3) as client:
            for _ in range(4):
                began = time.monotonic()
                answer = client.get("/readyz")
                assert time.monotonic() - began < 3
                assert answer.status_code == 503
                assert answer.json()["checks"]["archive"] == {"ok": False, "detail": "no answer in time"}
                assert answer.json()["checks"]["database"]["ok"] is True
            assert client.get("/healthz").status_code == 200
            assert len(calls) == 1
            release.set()
            deadline = time.monotonic() + 10
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        release.set()


def test_the_probes_look_at_the_real_world_at_every_request(tmp_path: Path):
    flag = tmp_path / "archive"
    with served({"archive": lambda: (flag.is_dir(), str(flag.is_dir()))}) as client:
        assert client.get("/readyz").status_code == 503
        flag.mkdir()
        assert client.get("/readyz").status_code == 200


def test_the_numbers_of_a_snapshot_arrive_as_metrics():
    taken = Snapshot(
        jobs={"queued": 3, "failed": 1},
        deliveries={("pacs", "waiting"): 6, ("pacs", "sent"): 40, ("tps", "parked"): 2, ("tps", "quarantined"): 3},
        oldest_waiting_s={"pacs": 93.5, "tps": 0.0},
        receptions_open=2,
        instances_received=123_456_789,
        declined=17,
        failed=5,
        archive_bytes=7 * 10**12,
        archive_free_bytes=3 * 10**11,
        faults=4,
    )
    with served(snapshot=lambda: taken) as client:
        told = numbers(client)
    assert told["lantern_up",] == 1
    assert {s: told["lantern_jobs", s] for s in State} == {**dict.fromkeys(State, 0), "queued": 3, "failed": 1}
    assert told["lantern_deliveries", "pacs", "waiting"] == 6
    assert told["lantern_deliveries", "pacs", "sent"] == 40
    assert told["lantern_deliveries", "pacs", "parked"] == 0
    assert told["lantern_deliveries", "tps", "parked"] == 2
    assert told["lantern_oldest_waiting_delivery_seconds", "pacs"] == 93.5
    assert told["lantern_oldest_waiting_delivery_seconds", "tps"] == 0
    assert told["lantern_receptions_open",] == 2
    assert told["lantern_instances_received_total",] == 123_456_789
    assert told["lantern_jobs_declined_total",] == 17
    assert told["lantern_jobs_failed_total",] == 5
    assert told["lantern_archive_bytes",] == 7 * 10**12
    assert told["lantern_archive_free_bytes",] == 3 * 10**11
    assert told["lantern_results_faulty",] == 4
    assert told["lantern_deliveries", "tps", "quarantined"] == 3
    assert len(told) == 1 + len(State) + 2 * len(DeliveryState) + 2 + 1 + 3 + 2 + 1


def test_a_destination_with_an_odd_name_breaks_nothing():
    name = 'PACS "Süd"\\1\n'
    with served(snapshot=lambda: Snapshot(deliveries={(name, "waiting"): 1})) as client:
        assert numbers(client)["lantern_deliveries", name, "waiting"] == 1


def test_each_scrape_takes_a_new_snapshot_and_one_only():
    taken = []

    def snapshot() -> Snapshot:
        taken.append(1)
        return Snapshot(receptions_open=len(taken))

    with served(snapshot=snapshot) as client:
        assert [numbers(client)["lantern_receptions_open",] for _ in range(3)] == [1, 2, 3]


def test_without_a_database_the_metrics_say_only_that_the_node_is_down():
    def snapshot() -> Snapshot:
        raise LedgerUnavailable("the database does not answer")

    with served(snapshot=snapshot) as client:
        assert numbers(client) == {("lantern_up",): 0}


def test_a_database_that_hangs_fails_the_scrape_and_not_the_server():
    release = threading.Event()

    def snapshot() -> Snapshot:
        release.wait(30)
        return Snapshot()

    try:
        with served(snapshot=snapshot, limit_s=0.2) as client:
            assert client.get("/metrics").status_code == 503
            assert client.get("/healthz").status_code == 200
    finally:
        release.set()


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("POST", "/metrics", 405), ("DELETE", "/readyz", 405)]
)
def test_nothing_else_is_served(method, path, status):
    with served() as client:
        answer = client.request(method, path)
    assert answer.status_code == status
    assert "server" not in answer.headers
