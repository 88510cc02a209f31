"""Looks at everything the node depends on and says what to do: `lantern doctor`."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from pydicom.uid import UID

from config.settings import Settings
from node.dciodvfy import find
from node.losses import losses, refused
from node.models import Model, catalogue, verify
from node.scu import echo
from node.syntaxes import SAMPLES, readable_syntaxes
from node.wiring import MB, House, open_house
from pipeline import registry
from pipeline.core.errors import LanternError
from pipeline.core.route import Destination, Peer
from pipeline.execute.device import choose, free_gpu_memory

_SECONDS_TO_ANSWER = 3.0


class Health(StrEnum):
    """How something is."""

    GOOD = "good"
    WARN = "warn"  #: works, but somebody should know
    BAD = "bad"  #: will not work


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, what was found, and what to do about it."""

    what: str
    state: Health
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything; never raises for what it finds."""
    found = [
        *_guard("node port", lambda: _port(settings)),
        *_guard("decoders", _decoders),
        *_guard("device", lambda: _device(settings)),
        *_guard("clock", _clock),
        *_guard("dciodvfy", lambda: _dciodvfy(settings)),
    ]
    for name in dict.fromkeys(route.pipeline for route in settings.routes):
        found += _guard(f"pipeline {name}", partial(_pipeline, name))
    for model in (m for m in catalogue(settings) if not m.shipped):
        found += _guard(f"model {model.name}", partial(_bundle, model))
    try:
        house = open_house(settings)
    except LanternError as e:
        new = "no tables yet" in e.message  # before the first start, which makes them
        state = Health.WARN if new else Health.BAD
        return [*found, Finding("database and archive", state, e.message, e.hint)]
    except OSError as e:
        return [*found, Finding("database and archive", Health.BAD, str(e), "may this user read and write there?")]
    found += _guard("database", lambda: _database(house))
    found += _guard("archive", lambda: _archive(house))
    found += _guard("processes", lambda: _processes(house))
    for d in settings.destinations:
        found += _guard(f"destination {d.name}", partial(_reach, house, d))
    for peer in (p for p in settings.peers if p.retrieve):
        found += _guard(f"peer {peer.name}", partial(_retrieves, house, peer))
    return found


def _guard(what: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except LanternError as e:
        return [Finding(what, Health.BAD, e.message, e.hint)]
    except OSError as e:
        return [Finding(what, Health.BAD, str(e), "may this user read and write there?")]


def _port(settings: Settings) -> Iterator[Finding]:
    node = settings.node
    what = f"node port {node.port}"
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((node.host, node.port))
        except PermissionError:
            advice = "use a port of 1024 or more, or give the service CAP_NET_BIND_SERVICE (see systemd/README.md)"
            yield Finding(what, Health.BAD, "this user may not listen there", advice)
            return
        except OSError as e:
            yield _who_listens(settings, what, e)
            return
    yield Finding(what, Health.GOOD, "free: the node can listen there (it is not running now)")


def _who_listens(settings: Settings, what: str, error: OSError) -> Finding:
    node = settings.node
    host = "127.0.0.1" if node.host in ("0.0.0.0", "::") else node.host
    try:
        echo(Peer("itself", node.ae_title, host, node.port), calling_ae=node.ae_title, timeout_s=_SECONDS_TO_ANSWER)
    except LanternError as e:
        if "rejected the association" in e.message:
            return Finding(what, Health.GOOD, "a DICOM node listens there; it does not know this machine as a peer")
        advice = "another program has it: choose another port, or stop that program (ss -ltnp)"
        return Finding(what, Health.BAD, f"in use ({error.strerror}), and not by a DICOM node", advice)
    return Finding(what, Health.GOOD, f"the node listens there and answers as {node.ae_title}")


def _decoders() -> Iterator[Finding]:
    can = readable_syntaxes()
    cannot = [uid for uid in SAMPLES if uid not in can]
    yield Finding("decoders", Health.GOOD, f"reads {', '.join(UID(u).name for u in can)}")
    if cannot:
        advice = "senders are refused these at negotiation; harmless unless a sender has nothing else"
        yield Finding("decoders", Health.WARN, f"does not read {', '.join(UID(u).name for u in cannot)}", advice)


def _device(settings: Settings) -> Iterator[Finding]:
    free = free_gpu_memory()
    found = f"computes on {choose(settings.work.device, free)}"
    found += "".join(f"; gpu:{n} has {b // MB} MB free" for n, b in enumerate(free)) or "; torch finds no GPU"
    yield Finding(f"device {settings.work.device}", Health.GOOD, found)


def _clock() -> Iterator[Finding]:
    if not shutil.which("timedatectl"):
        yield Finding(
            "clock", Health.WARN, "cannot tell whether it is synchronised", "see that NTP runs on this machine"
        )
        return
    said = subprocess.run(  # noqa: PLW1510
        ["timedatectl", "show", "--property=NTPSynchronized", "--value"], capture_output=True, text=True
    )
    if said.stdout.strip() == "yes":
        yield Finding("clock", Health.GOOD, "synchronised")
    else:
        yield Finding("clock", Health.WARN, "not known to be synchronised", "timedatectl set-ntp true")


def _dciodvfy(settings: Settings) -> Iterator[Finding]:
    wanted = settings.gate.dciodvfy
    program = find(wanted)
    if program:
        yield Finding("dciodvfy", Health.GOOD, f"results are shown to {program} before they are sent")
    elif wanted == "off":
        yield Finding("dciodvfy", Health.GOOD, "off in [gate]: results are checked by the built-in rules alone")
    elif wanted == "auto":
        advice = "for a second opinion on every result: apt install dicom3tools"
        yield Finding("dciodvfy", Health.GOOD, "not installed: results are checked by the built-in rules alone", advice)
    else:
        advice = "may this user execute it? Else set dciodvfy of [gate] to auto"
        yield Finding("dciodvfy", Health.BAD, f"{wanted} cannot be run", advice)


def _pipeline(name: str) -> Iterator[Finding]:
    algorithm = registry.get(name).algorithm
    registry.verify_weights(name)
    models = ", ".join(m.name for m in registry.models_of(name)) or "none"
    named = f"{algorithm.name} {algorithm.version}, weights as its card names them ({models})"
    found = f"{named}; {algorithm.evidence_tier}"
    yield Finding(f"pipeline {name}", Health.GOOD, found)


def _bundle(model: Model) -> Iterator[Finding]:
    looked = verify(model)
    state = Health.GOOD if looked.right else Health.BAD
    yield Finding(f"model {model.name}", state, f"your own, for {model.used_by}: {looked.said}", looked.do)


def _database(house: House) -> Iterator[Finding]:
    house.ledger.answers()
    counts = house.ledger.counts()
    yield Finding("database", Health.GOOD, f"answers; {sum(counts.jobs.values())} jobs, {counts.instances} images")
    if failed := counts.jobs.get("failed", 0):
        yield Finding("jobs", Health.WARN, f"{failed} failed and wait for a person", "lantern jobs list --state failed")
    held = {d: n for (d, state), n in counts.deliveries.items() if state == "quarantined" and n}
    if held or counts.faults:
        where = ", ".join(f"{n} for {d}" for d, n in sorted(held.items())) or f"{counts.faults} in the archive"
        advice = "they are not sent: `lantern jobs list --state failed`, then `lantern jobs show` says what is wrong"
        yield Finding("results", Health.WARN, f"objects quarantined: {where}", advice)
    if counts.conflicts:
        advice = "two different images came under one UID: ask the sender; the first was kept in use"
        yield Finding("images", Health.WARN, f"{counts.conflicts} kept aside", advice)
    if alerts := house.ledger.alerts():
        uid, decision = alerts[0]
        found = f"{len(alerts)} studies got late images; the last: {uid}, route {decision.route}"
        yield Finding("late images", Health.WARN, found, f"lantern routes explain {uid}")


def _archive(house: House) -> Iterator[Finding]:
    free, minimum = house.archive.free_bytes(), house.archive.min_free_bytes
    found = f"{free // MB} MB free in {house.archive.root}"
    house.archive.remove(house.archive.put(b"lantern doctor").path)
    if free < 2 * minimum:
        yield Finding("archive", Health.WARN, found, f"below {minimum // MB} MB senders are refused: free space")
    else:
        yield Finding("archive", Health.GOOD, f"{found}, writable")


def _processes(house: House) -> Iterator[Finding]:
    alive = house.living_processes()
    missing = [p for p in ("receive", "work", "deliver", "clean") if p not in alive]
    if not alive:
        yield Finding("processes", Health.WARN, "none runs", "lantern serve, or systemctl start lantern.target")
    elif missing:
        yield Finding("processes", Health.BAD, f"not running: {', '.join(missing)}", "systemctl status 'lantern-*'")
    else:
        yield Finding("processes", Health.GOOD, f"running: {', '.join(sorted(alive))}")


def _reach(house: House, destination: Destination) -> Iterator[Finding]:
    yield Finding(f"destination {destination.name}", Health.GOOD, f"reachable; {house.reach(destination)}".rstrip("; "))
    profile = house.profiles().of(destination)
    what = f"what {destination.name} takes"
    if profile is None or not profile.is_known:
        yield Finding(what, Health.WARN, "nobody has asked it yet", f"lantern destinations probe {destination.name}")
        return
    lost = losses(destination, profile)
    bad = bool(refused(destination, profile))  # what the configuration does not want is as it should be
    advice = f"allow these there, then `lantern destinations probe {destination.name}`"
    yield Finding(what, Health.WARN if bad else Health.GOOD, " ".join(lost) or "everything", advice if bad else "")


def _retrieves(house: House, peer: Peer) -> Iterator[Finding]:
    lacking = house.library(peer).lacks(_SECONDS_TO_ANSWER)
    what = f"peer {peer.name}"
    if lacking:
        advice = f"is {house.settings.node.ae_title!r} allowed to query and retrieve there? Else change `retrieve`"
        yield Finding(what, Health.BAD, f"does not offer {' and '.join(lacking)}: no earlier studies", advice)
    else:
        yield Finding(what, Health.GOOD, f"offers C-FIND and C-{peer.retrieve.upper()} for earlier studies")
