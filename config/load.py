"""File, environment and credentials -> Settings; everything that is wrong is said at once, before any port opens."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from config.checks import cross_problems
from config.explain import explain
from config.lines import key_lines
from config.overrides import lay_over
from config.problems import Key, Problem, Source, refuse
from config.settings import Settings
from pipeline.core.errors import ConfigInvalid

SEARCHED = (Path("lantern.toml"), Path("/etc/lantern/lantern.toml"))
"""Where a file is looked for when neither --config nor $LANTERN_CONFIG names one."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """The settings of `path`, or of the file that `find` finds, with what `environ` and its credentials change.

    Raises ConfigInvalid with every problem, one a line: file, line, section, key, what is wrong, what to write.
    """
    file = path or find(environ)
    text = _text(file)
    data, syntax = _parsed(text)
    if syntax:
        refuse(Source(file, {(): syntax[0]}), [Problem((), syntax[1], "the rest can be checked once this is mended")])
    given_by, problems = lay_over(data, environ)
    source = Source(file, key_lines(text), given_by)
    problems += cross_problems(data)
    settings = _validated(data, file, problems)
    refuse(source, problems)
    assert settings is not None, "either settings or problems"
    return settings.read_from(source)


def find(environ: Mapping[str, str]) -> Path:
    """The configuration file: $LANTERN_CONFIG, or the first of SEARCHED that exists. Raises ConfigInvalid."""
    if environ.get("LANTERN_CONFIG"):
        return Path(environ["LANTERN_CONFIG"])
    for candidate in SEARCHED:
        if candidate.is_file():
            return candidate
    places = ", ".join(["--config", "$LANTERN_CONFIG", *map(str, SEARCHED)])
    raise ConfigInvalid(f"no configuration file: looked at {places}", "begin with a copy of config/laptop.toml")


def _text(file: Path) -> str:
    try:
        raw = file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigInvalid(f"{file}: {reason}", "check the path, and who may read it") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigInvalid(f"{file.name}:{line}: is not UTF-8", "save the file as UTF-8") from error


def _parsed(text: str) -> tuple[dict[str, Any], tuple[int, str] | None]:
    try:
        return tomllib.loads(text), None
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        reason, line = (found[1], found[2]) if found else (str(error), None)
        return {}, (int(line or text.count("\n") + 1), f"is not TOML: {reason}")


def _validated(data: dict[str, Any], file: Path, problems: list[Problem]) -> Settings | None:
    data.setdefault("storage", {})  # so that its default, too, learns the folder of the file
    try:
        return Settings.model_validate(data, context={"folder": file.absolute().parent})
    except ValidationError as error:
        said: dict[Key, Problem] = {p.at: p for p in problems}
        problems += [p for p in explain(error) if p.at not in said]
        return None
