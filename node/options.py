"""What the pipelines themselves say about the routes that name them, and about their options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config.problems import Problem
from config.settings import Settings
from pipeline import registry
from pipeline.contract import Follower, Pipeline
from pipeline.core.errors import ConfigInvalid, LanternError
from pipeline.core.study import Study


def pipeline_problems(settings: Settings) -> Iterator[Problem]:
    """Every problem, at the route, or at the table [pipelines.NAME] if it stands there."""
    for number, route in enumerate(settings.routes):
        try:
            pipeline = registry.get(route.pipeline)
        except LanternError as e:
            yield Problem(("route", number, "pipeline"), e.message, e.hint)
            continue
        for role in (r for r in route.required_roles if r not in pipeline.roles):
            there = f"its roles: {', '.join(pipeline.roles) or 'none'}"
            yield Problem(("route", number, "required_roles"), f"{route.pipeline} has no role {role!r}", there)
        # A table may be wrong alone and right together with a route, which adds what it lacks; not the other way.
        has_table = route.pipeline in settings.pipelines.names()
        of_table = _complaints(pipeline, settings.pipelines.options(route.pipeline)) if has_table else {}
        for said, hint in _complaints(pipeline, route.options).items():
            at = ("pipelines", route.pipeline) if said in of_table else ("route", number, "options")
            yield Problem(at, said, hint)
    yield from _unused(settings)


def pipeline_remarks(settings: Settings) -> Iterator[str]:
    """What is allowed, but has no effect with these pipelines: sentences for `lantern check`."""
    for route in settings.routes:
        if route.priors_from and not isinstance(registry.get(route.pipeline), Follower):
            yield f"route {route.name!r}: priors_from has no effect: {route.pipeline} does not follow lesions up"


def _unused(settings: Settings) -> Iterator[Problem]:
    used = {route.pipeline for route in settings.routes}
    for name in (n for n in settings.pipelines.names() if n not in used):
        try:
            found = _complaints(registry.get(name), settings.pipelines.options(name))
        except LanternError as e:
            found = {e.message: e.hint}
        yield from (Problem(("pipelines", name), said, hint) for said, hint in found.items())


def _complaints(pipeline: Pipeline, options: Mapping[str, Any]) -> dict[str, str]:
    """What a pipeline says of options, one problem a key, and its hint."""
    try:
        pipeline.select(Study("", ()), options)  # a study without series: only the options can be wrong
    except ConfigInvalid as e:
        return dict.fromkeys(e.message.split("\n"), e.hint)
    return {}
