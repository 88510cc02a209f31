"""`lantern web`: what the health page asks, and the numbers it gives."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import uvicorn

from node.loop import BEAT_EVERY_S, holder_name, notify
from node.web.app import Probe, make_app, make_server
from node.web.metrics import Snapshot
from node.wiring import MB, House
from pipeline.core.clock import utc_now
from pipeline.core.errors import LanternError

NEEDED = ("receive", "work", "deliver")
"""Processes without which the node does not do its work."""


def serve_web(house: House) -> None:
    """Serve health and metrics until asked to stop."""
    server = make_server(
        make_app(probes(house), partial(snapshot, house)), house.settings.web.host, house.settings.web.port
    )
    stop = threading.Event()
    alive = threading.Thread(target=_stay_alive, args=(house, server, stop), daemon=True)
    alive.start()
    try:
        server.run()
    finally:
        stop.set()


def probes(house: House) -> Mapping[str, Probe]:
    """What /readyz asks."""
    return {
        "database": partial(_database, house),
        "archive": partial(_archive, house),
        "results": partial(_results, house),
        **{process: partial(_process, house, process) for process in NEEDED},
    }


def snapshot(house: House) -> Snapshot:
    """The numbers of this moment."""
    counts, now = house.ledger.counts(), utc_now()
    return Snapshot(
        jobs=counts.jobs,
        deliveries=counts.deliveries,
        oldest_waiting_s={
            d.name: (now - counts.oldest_waiting_at[d.name]).total_seconds()
            if d.name in counts.oldest_waiting_at
            else 0.0
            for d in house.settings.destinations
        },
        receptions_open=counts.open_receptions,
        instances_received=counts.received,
        declined=counts.declined,
        failed=counts.failed,
        faults=counts.faults,
        archive_bytes=counts.image_bytes,
        archive_free_bytes=house.archive.free_bytes(),
    )


def _database(house: House) -> tuple[bool, str]:
    return house.ledger.answers(), "answers"


def _archive(house: House) -> tuple[bool, str]:
    house.archive.require_room()
    return True, f"{house.archive.free_bytes() // MB} MB free"


def _results(house: House) -> tuple[bool, str]:
    """Always right: a node with something in quarantine does its work, and somebody should look."""
    counts = house.ledger.counts()
    held = sum(n for (_, state), n in counts.deliveries.items() if state == "quarantined")
    return True, f"{held} deliveries quarantined: `lantern jobs list --state failed`" if held else "none quarantined"


def _process(house: House, process: str) -> tuple[bool, str]:
    running = process in house.living_processes()
    return running, "gives signs of life" if running else "no sign of life lately"


def _stay_alive(house: House, server: uvicorn.Server, stop: threading.Event) -> None:
    name = holder_name("web")
    while not (server.started or stop.wait(0.1)):
        pass
    notify("READY=1")
    while not stop.is_set():
        notify("WATCHDOG=1")
        with suppress(LanternError):  # /readyz tells of it, and needs this process for that
            house.ledger.beat(name)
        stop.wait(BEAT_EVERY_S)
