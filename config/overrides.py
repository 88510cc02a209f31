"""What the environment and systemd credentials say, laid over what the file says.

LANTERN_NODE__PORT=104 sets `port` of [node]; LANTERN_DESTINATION__PACS__TOKEN sets `token` of the destination `pacs`. A
credential is a file in $CREDENTIALS_DIRECTORY: `lantern.database_url`, `lantern.tls_key`, `lantern.pacs.token`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.explain import fields_of
from config.problems import LISTS, Key, Problem, did_you_mean
from config.settings import Settings

PREFIX = "LANTERN_"


@dataclass(frozen=True, slots=True)
class Override:
    """A value from outside the file: the place it is for, and the name of what gave it."""

    at: Key
    value: Any
    given_by: str


Found = Iterator[Override | tuple[str, Problem]]
"""Overrides, and with the name of what gave it, what cannot be one."""


def lay_over(data: dict[str, Any], environ: Mapping[str, str]) -> tuple[dict[Key, str], list[Problem]]:
    """Change `data` by the environment, then by the credentials. Returns who gave which key, and what is wrong."""
    given_by: dict[Key, str] = {}
    problems: list[Problem] = []
    for found in (*_from_environment(data, environ), *_from_credentials(data, environ)):
        if isinstance(found, Override):
            given_by[found.at] = found.given_by
            _put(data, found.at, found.value)
        else:
            given_by[found[1].at] = found[0]
            problems.append(found[1])
    return given_by, problems


def environment_name(name: str) -> str:
    """The name of a peer, destination or route as it stands in a variable: `pacs-1` is PACS_1."""
    return re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")


def _from_environment(data: dict[str, Any], environ: Mapping[str, str]) -> Found:
    for variable in sorted(environ):
        parts = variable.removeprefix(PREFIX).split("__")
        if not variable.startswith(PREFIX) or len(parts) < 2:
            continue
        at = _place(data, parts)
        given_by = f"environment {variable}"
        if isinstance(at, Problem):
            yield given_by, at
        else:
            text = environ[variable]
            yield Override(at, _toml(text) if at[0] == "pipelines" else text, given_by)


def _toml(text: str) -> Any:
    """An option has no type that is known here: `true` and `3` are what TOML takes them for, all else is text."""
    try:
        return tomllib.loads(f"v = {text}")["v"] if "\n" not in text else text
    except tomllib.TOMLDecodeError:
        return text


def _place(data: dict[str, Any], parts: list[str]) -> Key | Problem:
    section, key = parts[0].lower(), parts[-1].lower()
    if section not in fields_of(Settings):
        return Problem((section,), "is no section", did_you_mean(section, fields_of(Settings)))
    if section == "pipelines":
        return (section, *(p.lower() for p in parts[1:]))
    if section not in LISTS:
        return (section, "__".join(parts[1:]).lower())
    names = {environment_name(n): i for i, n in _names(data, section)}
    wanted = "__".join(parts[1:-1])
    if len(parts) != 3 or wanted not in names:
        example = f"{PREFIX}{section.upper()}__NAME__KEY; names in the file: {', '.join(sorted(names)) or 'none'}"
        return Problem((section, wanted), f"is no {section} of the file", f"write {example}")
    return (section, names[wanted], key)


def _names(data: dict[str, Any], section: str) -> Iterator[tuple[int, str]]:
    items = data.get(section)
    for number, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            yield number, item["name"]


def _from_credentials(data: dict[str, Any], environ: Mapping[str, str]) -> Found:
    if not environ.get("CREDENTIALS_DIRECTORY"):
        return
    for file in sorted(Path(environ["CREDENTIALS_DIRECTORY"]).glob("lantern.*")):
        given_by = f"credential {file.name}"
        place = _credential_place(data, file.name.removeprefix("lantern."))
        if isinstance(place, Problem):
            yield given_by, place
        elif place == ("tls", "key"):
            yield Override(place, str(file), given_by)
        else:
            yield _read(file, place, given_by)


def _read(file: Path, place: Key, given_by: str) -> Override | tuple[str, Problem]:
    try:
        return Override(place, file.read_text("utf-8").strip(), given_by)
    except (OSError, UnicodeDecodeError) as error:
        return given_by, Problem(place, f"cannot be read: {type(error).__name__}")


def _credential_place(data: dict[str, Any], name: str) -> Key | Problem:
    if name == "database_url":
        return ("storage", "database_url")
    if name == "tls_key":
        return ("tls", "key")
    numbers = {n: i for i, n in _names(data, "destination")}
    if name.endswith(".token") and name.removesuffix(".token") in numbers:
        return ("destination", numbers[name.removesuffix(".token")], "token")
    known = ["database_url", "tls_key", *(f"{n}.token" for n in numbers)]
    return Problem(("destination", name), "is no secret of this configuration", f"there are: {', '.join(known)}")


def _put(data: dict[str, Any], at: Key, value: Any) -> None:
    *way, last = at
    inner: Any = data
    for part in way:
        inner = inner.setdefault(part, {}) if isinstance(inner, dict) else inner[part]
    if isinstance(inner, dict):
        inner[last] = value
