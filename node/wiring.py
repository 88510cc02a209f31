"""The composition root: Settings -> objects. The only reader of the configuration."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from config.checks import check_pipelines
from config.load import find, load
from config.problems import refuse
from config.settings import Settings
from node import find as c_find
from node import scu, stow
from node.clean import Retention
from node.delivery import Backoff
from node.delivery import Desk as DeliveryDesk
from node.intake import Desk as IntakeDesk
from node.intake import Intake
from node.loop import Stop, holder_name, is_gone
from node.options import pipeline_problems
from node.priors import WANTED
from node.probe import probe
from node.profiles import Profiles
from node.receive.acceptor import Acceptor, AcceptorOptions
from node.retrieve import Fetched, Library, Retriever, Tick
from node.retrieve_get import CGet
from node.retrieve_move import CMove
from node.tls import client_context, server_context
from pipeline import registry
from pipeline.contract import Executor, Follower
from pipeline.core.clock import utc_now
from pipeline.core.errors import ConfigInvalid, NotFound
from pipeline.core.job import Job
from pipeline.core.profile import Profile
from pipeline.core.route import Destination, Peer
from pipeline.core.study import Study
from pipeline.execute import ExecutorOptions, make_executor
from storage import Archive, Database, Ledger, open_database

if TYPE_CHECKING:
    from node.worker import Bench

LEASE_S = 60.0
"""Seconds that a worker holds a job without a sign of life."""
ALIVE_S = 30.0
"""Seconds since its last heartbeat after which a process counts as not running."""
MB = 1 << 20


def settings_from(config: Path | None) -> Settings:
    """The settings, complete and checked against the registered pipelines. Raises ConfigInvalid."""
    settings = load(config, os.environ)
    unknown = check_pipelines(settings, registry.names())
    refuse(
        settings.source, [*unknown, *(p for p in pipeline_problems(settings) if p.at not in {u.at for u in unknown})]
    )
    return settings


def settings_if_any(config: Path | None) -> Settings | None:
    """The settings, without asking the pipelines about them; None when no file was named and there is none."""
    if config is None:
        try:
            find(os.environ)
        except ConfigInvalid:
            return None
    return load(config, os.environ)


def acceptor_options(s: Settings, tls: ssl.SSLContext | None = None) -> AcceptorOptions:
    """How the node is reached, by whom, and how much of it one may take."""
    return AcceptorOptions(
        ae_titles=s.called_ae_titles,
        host=s.node.host,
        port=s.node.port,
        peers=s.peers,
        allow_any_calling_ae=s.node.allow_any_calling_ae,
        require_called_ae=s.node.require_called_ae,
        max_associations=s.node.max_associations,
        max_pdu_bytes=s.node.max_pdu_bytes,
        network_timeout_s=s.node.idle_timeout_s,
        ssl_context=tls,
    )


@dataclass(frozen=True, slots=True)
class House:
    """The objects of one process, made from the settings. Making it opens the archive and the database."""

    settings: Settings
    archive: Archive
    database: Database
    ledger: Ledger

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def acceptor(self) -> Acceptor:
        """What listens."""
        return Acceptor(acceptor_options(self.settings, self._server_tls()), self.archive, self.ledger)

    def intake(self, listening_since: datetime | None = None) -> Intake:
        """What turns quiet studies into jobs; see `node.intake.Desk` for `listening_since`."""
        s = self.settings
        return Intake(
            IntakeDesk(
                ledger=self.ledger,
                archive=self.archive,
                routes=s.routes,
                peers={p.name: p for p in s.peers},
                count_instances=self._count_instances,
                max_attempts=s.work.max_attempts,
                is_gone=is_gone,
                listening_since=listening_since,
                also_destinations={p.name: self._same_system(p) for p in s.peers},
            )
        )

    def bench(self, stop: Stop) -> Bench:
        """What a worker works with, until `stop` asks it to end."""
        # What makes and judges objects takes most of a second to load, and nobody else needs it.
        from node import dciodvfy  # noqa: PLC0415
        from node.worker import Bench  # noqa: PLC0415

        w = self.settings.work
        return Bench(
            ledger=self.ledger,
            archive=self.archive,
            make_executor=self.executor,
            holder=holder_name("work"),
            # An inline run cannot renew its lease, so that it must last as long as the run may.
            lease_s=w.time_limit_s + LEASE_S if w.executor == "inline" else LEASE_S,
            max_attempts=w.max_attempts,
            stop=stop,
            fetch_priors=self._fetch_priors if any(r.priors_from for r in self.settings.route) else None,
            destinations={d.name: d for d in self.settings.destinations},
            profiles=self.profiles(),
            dciodvfy=dciodvfy.find(self.settings.gate.dciodvfy),
        )

    def executor(self, on_tick: Callable[[], None]) -> Executor:
        """Where pipelines run."""
        w = self.settings.work
        options = ExecutorOptions(
            device=w.device, threads=w.threads, time_limit_s=w.time_limit_s, memory_limit_mb=w.memory_limit_mb
        )
        return make_executor(w.executor, options, on_tick)

    def delivery(self) -> DeliveryDesk:
        """What the outbox works with."""
        d = self.settings.deliver
        return DeliveryDesk(
            ledger=self.ledger,
            archive=self.archive,
            send=self.send,
            backoff=Backoff(d.backoff_first_s, d.backoff_cap_s),
            holder=holder_name("deliver"),
            profiles=self.profiles(),
        )

    def profiles(self) -> Profiles:
        """What the destinations take."""
        return Profiles(self.ledger, self.probe)

    def probe(self, destination: Destination, timeout_s: float | None = None) -> Profile:
        """Ask a destination what it takes, within `timeout_s` for each answer. Raises LanternError."""
        if destination.stow_url:
            tls = self._client_tls() if self.settings.tls.ca else None
        else:
            tls = self._tls_for(destination.tls)
        return probe(destination, calling_ae=self._own_ae, tls=tls, timeout_s=timeout_s)

    def retention(self) -> Retention:
        """How long what is kept."""
        s = self.settings.storage

        def days(n: float) -> timedelta | None:
            return timedelta(days=n) if n else None

        return Retention(days(s.keep_images_days), days(s.keep_failed_days), days(s.keep_results_days))

    def send(self, destination: Destination, files: Sequence[Path]) -> list[scu.Outcome]:
        """Send files, the way that the destination wants them."""
        if destination.stow_url:
            tls = self._client_tls() if self.settings.tls.ca else None
            return stow.send(destination, files, tls=tls)
        return scu.send(destination, files, calling_ae=self._own_ae, tls=self._tls_for(destination.tls))

    def echo(self, destination: Destination) -> str:
        """C-ECHO; returns what the peer said of itself. Raises PeerUnreachable."""
        return scu.echo(destination, calling_ae=self._own_ae, tls=self._tls_for(destination.tls))

    def reach(self, destination: Destination) -> str:
        """Ask a destination whether it is there, the way that results go; returns what it said. Raises LanternError."""
        if destination.stow_url:
            tls = self._client_tls() if self.settings.tls.ca else None
            return stow.reach(destination, tls=tls)
        return self.echo(destination)

    def living_processes(self) -> set[str]:
        """The kinds of process (receive, work, …) that gave a sign of life lately."""
        since = utc_now() - timedelta(seconds=ALIVE_S)
        return {name.partition("@")[0] for name, at in self.ledger.heartbeats().items() if at >= since}

    def destination(self, name: str) -> Destination:
        """A configured destination. Raises NotFound."""
        for d in self.settings.destinations:
            if d.name == name:
                return d
        known = ", ".join(d.name for d in self.settings.destinations) or "none"
        raise NotFound(f"no destination is called {name!r}", f"configured: {known}")

    def _same_system(self, peer: Peer) -> frozenset[str]:
        """The destinations that are this peer: of its name, or at its address under its AE title."""
        return frozenset(
            d.name
            for d in self.settings.destinations
            if d.name == peer.name or (d.ae_title == peer.ae_title and d.host == peer.host)
        )

    @property
    def _own_ae(self) -> str:
        return self.settings.node.ae_title

    def _count_instances(self, peer: Peer, study_instance_uid: str) -> int | None:
        return c_find.count_instances(peer, study_instance_uid, calling_ae=self._own_ae, tls=self._tls_for(peer.tls))

    def library(self, peer: Peer) -> Library:
        """A peer that earlier studies are fetched from. Raises ConfigInvalid when the settings do not say how."""
        tls = self._tls_for(peer.tls)
        match peer.retrieve:
            case "get":
                retriever: Retriever = CGet(self._own_ae, tls, self.archive.require_room)
            case "move":
                retriever = CMove(self._own_ae, tls, self.archive, self.ledger)
            case _:
                raise ConfigInvalid(f"nothing can be fetched from peer {peer.name!r}", "give it `retrieve`")
        return Library(peer, retriever, self._own_ae, tls)

    def _fetch_priors(self, job: Job, study: Study, folder: Path, tick: Tick) -> Fetched:
        """Earlier studies, as the first of the job's routes that asks for them wants it."""
        routes = {r.name: r for r in self.settings.routes if r.priors_from}
        route = next((routes[name] for name in self.ledger.asked_by(job.id) if name in routes), None)
        if route is None:
            return Fetched()
        peer = next(p for p in self.settings.peers if p.name == route.priors_from)
        pipeline = registry.get(job.work.pipeline)
        wanted = WANTED.get(pipeline.prior_modality) if isinstance(pipeline, Follower) else None
        if wanted is None:
            return Fetched()
        return self.library(peer).priors(study, route.most_priors, folder, tick, wanted)

    def _tls_for(self, wanted: bool) -> ssl.SSLContext | None:
        return self._client_tls() if wanted else None

    def _client_tls(self) -> ssl.SSLContext:
        t = self.settings.tls
        return client_context(t.certificate, t.key, t.ca)

    def _server_tls(self) -> ssl.SSLContext | None:
        t = self.settings.tls
        return server_context(t.certificate, t.key, t.ca) if self.settings.node.tls and t.certificate else None


def open_house(settings: Settings, *, start: bool = False, make: bool = False) -> House:
    """Open archive and ledger. Raises DiskFull, LedgerUnavailable, ConfigInvalid (no permission).

    start: bring the tables to this version's form, as the node's processes do; who only looks does not change them.
    make:  make them where the database is empty, for what an admin asks before the node's first start.
    """
    database = open_database(settings.storage.database_url)
    if start:
        database.migrate()
    else:
        database.require_current(make=make)
    archive = Archive(settings.storage.archive_dir, settings.node.min_free_disk_mb * MB)
    return House(settings, archive, database, Ledger(database))


def house_from(config: Path | None, *, start: bool = False, make: bool = False) -> House:
    """The house that a configuration file describes. Raises ConfigInvalid and what `open_house` raises."""
    return open_house(settings_from(config), start=start, make=make)
