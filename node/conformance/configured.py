"""What the configuration says that a vendor needs: peers, destinations, and the settings of the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from config.settings import Settings
from node.conformance.model import Remote, Setting
from node.retrieve import RETRIEVE
from pipeline.core.route import Destination, Peer

SECTIONS = ("node", "deliver")
"""Those that have to do with the network; none of them holds a secret or a path."""


def remotes(settings: Settings) -> tuple[Remote, ...]:
    """Peers, then destinations, in the order of the file."""
    peers = [_peer(p, settings) for p in settings.peers]
    return (*peers, *map(_destination, settings.destinations))


def _peer(peer: Peer, settings: Settings) -> Remote:
    return Remote(
        name=peer.name,
        ae_title=peer.ae_title,
        address=peer.host,
        port=str(peer.port) if peer.port else "it only calls",
        tls=peer.tls,
        uses="; ".join(_uses(peer, settings)),
    )


def _uses(peer: Peer, settings: Settings) -> Iterator[str]:
    yield "may send"
    if any(r.verify_with == peer.name for r in settings.route):
        yield "is asked how many images a study has (C-FIND)"
    if any(r.priors_from == peer.name for r in settings.route):
        by = " and ".join(("C-FIND", *RETRIEVE.get(peer.retrieve, {}).values()))
        yield f"earlier studies are fetched from it ({by})"


def _destination(destination: Destination) -> Remote:
    web = bool(destination.stow_url)
    address, port, tls = _url(destination.stow_url) if web else ("", 0, False)
    return Remote(
        name=destination.name,
        ae_title=destination.ae_title or "-",
        address=address if web else destination.host,
        port=str(port if web else destination.port),
        tls=tls or destination.tls,
        uses=f"gets results ({'STOW-RS' if web else 'C-STORE'})",
    )


def _url(url: str) -> tuple[str, int, bool]:
    """Host and path, port, TLS: without a user's name, password or a query, which may be secrets."""
    parts = urlsplit(url)
    tls = parts.scheme == "https"
    return f"{parts.scheme}://{parts.hostname}{parts.path}", parts.port or (443 if tls else 80), tls


def settings_of(settings: Settings) -> tuple[Setting, ...]:
    """Every setting of SECTIONS with its value and its sentence."""
    found = []
    for section in SECTIONS:
        values: Any = getattr(settings, section)
        for name, field in type(values).model_fields.items():
            found.append(Setting(f"[{section}] {name}", _text(getattr(values, name)), field.description or ""))
    return tuple(found)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else str(value)
