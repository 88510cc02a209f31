"""What only shows when sections are read together."""

from __future__ import annotations

import stat
from collections.abc import Collection, Iterator
from typing import Any

from config.overrides import environment_name
from config.problems import LISTS, Key, Problem, did_you_mean
from config.settings import Settings, destination_fault, tls_fault
from pipeline.core.route import ALWAYS

_EVERYWHERE = ("0.0.0.0", "::")


def cross_problems(data: dict[str, Any]) -> Iterator[Problem]:
    """What the sections of a file get wrong about each other. Takes raw tables, so that it also works beside errors."""
    for section in LISTS:
        yield from _twice(data, section)
    for number, route in _items(data, "route"):
        yield from _destinations_exist(data, route, ("route", number))
        yield from _can_be_asked(data, route, ("route", number), "verify_with")
        yield from _can_be_asked(data, route, ("route", number), "priors_from")
    yield from _keys_fit_together(data)
    yield from _ports_differ(data)


def check_pipelines(settings: Settings, known_names: Collection[str]) -> tuple[Problem, ...]:
    """Routes and tables whose pipeline is not registered; `refuse(settings.source, ...)` raises them."""
    registered = ", ".join(sorted(known_names)) or "none"
    named: list[tuple[Key, str]] = [(("route", n, "pipeline"), r.pipeline) for n, r in enumerate(settings.route)]
    named += [(("pipelines", name), name) for name in settings.pipelines.names()]
    return tuple(
        Problem(at, f"no pipeline is called {name!r}", did_you_mean(name, known_names, f"registered: {registered}"))
        for at, name in named
        if name not in known_names and ":" not in name
    )


def remarks(settings: Settings) -> tuple[str, ...]:
    """What is allowed, but perhaps not meant: sentences for `lantern check` and `lantern doctor`."""
    return (*_about_senders(settings), *_about_routes(settings), *_about_secrets(settings))


def _about_senders(settings: Settings) -> Iterator[str]:
    if settings.node.allow_any_calling_ae:
        yield "[node] allow_any_calling_ae is true: any system that reaches the port may send"
    elif not settings.peer:
        yield "there is no [[peer]], so nobody may send: add one, or set allow_any_calling_ae of [node]"
    if settings.web.host not in ("127.0.0.1", "::1", "localhost"):
        yield "[web] host lets other machines reach the admin pages: put a proxy that asks for a login before them"


def _about_routes(settings: Settings) -> Iterator[str]:
    if not settings.route:
        yield "there is no [[route]], so images are stored and nothing is computed"
    for route in settings.route:
        if not route.destinations:
            yield f"route {route.name!r} has no destinations: its results stay in the archive"
        if route.when == ALWAYS:
            yield f"route {route.name!r} has no `when`: its pipeline is asked about every series"
    for name in settings.pipelines.names():
        if name not in {r.pipeline for r in settings.route}:
            yield f"[pipelines.{name}] has no effect: no route runs that pipeline"


def _about_secrets(settings: Settings) -> Iterator[str]:
    file = settings.source.file
    from_file = [d for n, d in enumerate(settings.destination) if _token_in_file(settings, n)]
    if file and from_file and file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        yield f"{file.name} holds a token that others on this machine can read: chmod 600, or use a credential"
    for destination in settings.destination:
        if destination.token.get_secret_value() and (destination.stow_url or "").startswith("http://"):
            yield f"destination {destination.name!r} sends its token unencrypted: use https://"


def _token_in_file(settings: Settings, number: int) -> bool:
    return ("destination", number, "token") in settings.source.lines and (
        ("destination", number, "token") not in settings.source.given_by
    )


def _items(data: dict[str, Any], section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    items = data.get(section)
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield number, item


def _by_name(data: dict[str, Any], section: str) -> dict[str, dict[str, Any]]:
    return {i["name"]: i for _, i in _items(data, section) if isinstance(i.get("name"), str)}


def _twice(data: dict[str, Any], section: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, item in _items(data, section):
        name = item.get("name")
        if isinstance(name, str) and environment_name(name) in seen:
            yield Problem(
                (section, number, "name"),
                f"{name!r} is taken",
                f"each [[{section}]] needs its own, different in more than case and punctuation",
            )
        elif isinstance(name, str):
            seen.add(environment_name(name))


def _destinations_exist(data: dict[str, Any], route: dict[str, Any], at: Key) -> Iterator[Problem]:
    wanted = route.get("destinations", [])
    known = _by_name(data, "destination")
    for number, name in enumerate([wanted] if isinstance(wanted, str) else wanted if isinstance(wanted, list) else ()):
        if isinstance(name, str) and name not in known:
            hint = did_you_mean(name, known, "add a [[destination]] with that name")
            yield Problem((*at, "destinations", number), f"no destination is called {name!r}", hint)


def _can_be_asked(data: dict[str, Any], route: dict[str, Any], at: Key, key: str) -> Iterator[Problem]:
    name = route.get(key)
    if not isinstance(name, str) or not name:
        return
    peers = _by_name(data, "peer")
    if name not in peers:
        hint = did_you_mean(name, peers, "add a [[peer]] with that name")
        yield Problem((*at, key), f"no peer is called {name!r}", hint)
        return
    if peers[name].get("port", 0) in (0, "0"):
        yield Problem((*at, key), f"peer {name!r} cannot be asked", "give it the `port` it answers C-FIND on")
    elif key == "priors_from" and not peers[name].get("retrieve"):
        hint = 'give it `retrieve = "get"`, or "move" when it has no C-GET'
        yield Problem((*at, key), f"nothing can be fetched from peer {name!r}", hint)


def _keys_fit_together(data: dict[str, Any]) -> Iterator[Problem]:
    for number, item in _items(data, "destination"):
        if fault := destination_fault(item):
            yield Problem(("destination", number), fault)
    tls = data.get("tls", {})
    if not isinstance(tls, dict):
        return
    if fault := tls_fault(tls):
        yield Problem(("tls",), fault)
    node = data.get("node", {})
    if isinstance(node, dict) and node.get("tls") is True and "certificate" not in tls:
        yield Problem(("node", "tls"), "needs a certificate", "set certificate and key in [tls]")


def _ports_differ(data: dict[str, Any]) -> Iterator[Problem]:
    node, web = data.get("node", {}), data.get("web", {})
    if not isinstance(node, dict) or not isinstance(web, dict):
        return
    same = str(node.get("port", 11112)) == str(web.get("port", 8080))
    hosts = (node.get("host", "0.0.0.0"), web.get("host", "127.0.0.1"))
    if same and (hosts[0] == hosts[1] or any(h in _EVERYWHERE for h in hosts)):
        yield Problem(("web", "port"), "is also the port of [node]", "give each a port of its own")
