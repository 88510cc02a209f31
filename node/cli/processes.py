"""The processes of the node: serve, receive, work, deliver, web, clean."""

from __future__ import annotations

import errno
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.app import Config, example
from node.cli.show import show_json
from pipeline.core.clock import utc_now
from pipeline.core.errors import ConfigInvalid

if TYPE_CHECKING:
    from node.wiring import House

PORT_FREE_WITHIN_S = 20.0
"""Seconds that `serve` waits for the port to become free."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command, text in (
        (serve, "lantern serve --config lantern.toml"),
        (receive, "lantern receive --config /etc/lantern/lantern.toml"),
        (work, "LANTERN_WORK__DEVICE=gpu:1 lantern work"),
        (deliver, "lantern deliver"),
        (web, "lantern web"),
        (clean, "lantern clean"),
    ):
        app.command(epilog=example(text), rich_help_panel="Processes")(command)


def serve(config: Config = None) -> None:
    """Run the whole node on this machine: all processes under one supervisor."""
    from node.loop import Stop
    from node.supervise import supervise

    house = _start("serve", config)
    house.close()
    _require_free_port(house)
    shared = ["--config", str(config)] if config else []
    commands = [["receive"], ["work"], ["deliver"], ["web"], ["clean", "--every-s", "600"]]
    stop = Stop()
    stop.on_signals()
    supervise([c + shared for c in commands], _run, stop, _Announcement(house))


def _run(command: Sequence[str]) -> None:
    """A command, in a process that was forked for it."""
    from node.cli import main

    sys.argv[1:] = command
    main()


class _Announcement:
    """Says once that the node is ready: when both of its ports are listened on."""

    def __init__(self, house: House) -> None:
        node, web = house.settings.node, house.settings.web
        self._ports = ((node.host, node.port), (web.host, web.port))
        self._words = (
            f"ready: {node.ae_title} takes DICOM on {node.host}:{node.port}, http://{web.host}:{web.port}/healthz"
        )
        self._said = False

    def __call__(self) -> None:
        if not self._said and all(_is_taken(host, port) for host, port in self._ports):
            typer.echo(self._words, err=True)
            self._said = True


def _is_taken(host: str, port: int) -> bool:
    """Whether somebody listens there; asked without a connection, of which a listener would tell in its log."""
    error = _bind_error(host, port)
    return error is not None and error.errno == errno.EADDRINUSE


def receive(config: Config = None) -> None:
    """Listen for studies, and open jobs for those that have fallen quiet."""
    house = _start("receive", config)
    acceptor = house.acceptor()
    try:
        acceptor.start()
    except OSError as e:
        raise _cannot_listen(house, e) from e
    intake = house.intake(listening_since=utc_now())
    try:
        _loop(house, "receive", intake.tick, poll_s=0.25)
    finally:
        acceptor.stop(10.0)


def work(config: Config = None) -> None:
    """Run pipelines on queued jobs, one at a time."""
    from node.loop import Stop
    from node.worker import Worker

    house = _start("work", config)
    stop = Stop()
    worker = Worker(house.bench(stop))
    try:
        _loop(house, "work", worker.tick, poll_s=house.settings.work.poll_s, stop=stop)
    finally:
        worker.close()


def deliver(config: Config = None) -> None:
    """Send results to their destinations."""
    from node.delivery import deliver_all
    from node.loop import Stop
    from pipeline.core.errors import OurFault

    house = _start("deliver", config)
    stop = Stop()
    threads = deliver_all(house.delivery(), house.settings.destinations, stop, house.settings.deliver.poll_s)

    def watch() -> bool:
        dead = [t.name for t in threads if not t.is_alive()]
        if dead and not stop.asked:
            raise SystemExit(str(OurFault(f"the thread {dead[0]} has died")))
        return False

    _loop(house, "deliver", watch, poll_s=0.5, stop=stop)
    for thread in threads:
        thread.join(10.0)


def web(config: Config = None) -> None:
    """Serve health and metrics over HTTP."""
    from node.web.serve import serve_web

    house = _start("web", config)
    serve_web(house)


def clean(
    config: Config = None,
    every_s: Annotated[
        float, typer.Option(help="Go on, cleaning every so many seconds; 0 cleans once.", min=0.0)
    ] = 0.0,
) -> None:
    """Delete images and results whose time is over, and files that nothing refers to."""
    from dataclasses import asdict

    from node.clean import clean as clean_once

    house = _start("clean", config)
    if not every_s:
        show_json(asdict(clean_once(house.ledger, house.archive, house.retention())))
        return
    last = -every_s

    def tick() -> bool:
        nonlocal last
        if time.monotonic() - last >= every_s:
            clean_once(house.ledger, house.archive, house.retention())
            last = time.monotonic()
        return False

    _loop(house, "clean", tick, poll_s=1.0)


def _require_free_port(house: House) -> None:
    """A second supervisor would start its processes again and again beside those of the first.

    Waits a while first: the processes of a supervisor that was killed just now are still ending.
    """
    until = time.monotonic() + PORT_FREE_WITHIN_S
    while (error := _bind_error(house.settings.node.host, house.settings.node.port)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() > until:
            raise _cannot_listen(house, error)
        time.sleep(0.5)


def _bind_error(host: str, port: int) -> OSError | None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError as e:
            return e
    return None


def _cannot_listen(house: House, error: OSError) -> ConfigInvalid:
    where = f"{house.settings.node.host}:{house.settings.node.port}"
    hint = "another node or program may listen there (ss -ltnp shows it); ports below 1024 need a privilege"
    return ConfigInvalid(f"cannot listen on {where}: {error.strerror}", hint)


def _start(process: str, config: Config) -> House:
    from node.logs import set_up_logging
    from node.wiring import house_from

    house = house_from(config, start=True)
    set_up_logging(process, house.settings.log.level, as_json=house.settings.log.as_json)
    threading.current_thread().name = process
    return house


def _loop(house: House, process: str, tick: Callable[[], bool], *, poll_s: float, stop: object = None) -> None:
    from node.loop import Stop, holder_name, notify, run

    asked = stop if isinstance(stop, Stop) else Stop()
    asked.on_signals()
    notify("READY=1")
    name = holder_name(process)
    run(tick, asked, poll_s=poll_s, beat=lambda: house.ledger.beat(name))
    notify("STOPPING=1")
