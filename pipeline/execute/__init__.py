"""Where a pipeline runs: in this process, in a child that may die, or in a Ray cluster."""

from __future__ import annotations

from typing import Literal

from pipeline.contract import Executor
from pipeline.core.errors import ConfigInvalid
from pipeline.execute.inline import InlineExecutor
from pipeline.execute.options import ExecutorOptions, OnTick, nothing
from pipeline.execute.process import ProcessExecutor

Kind = Literal["inline", "process", "ray"]

__all__ = ["ExecutorOptions", "InlineExecutor", "Kind", "OnTick", "ProcessExecutor", "make_executor"]


def make_executor(kind: Kind, options: ExecutorOptions, on_tick: OnTick = nothing) -> Executor:
    """An Executor of that kind; nothing is started before its first run.

    on_tick: called about once a second during a run, except by "inline", which has nobody to call it.
    Raises ConfigInvalid for "ray" without Ray.
    """
    if kind == "inline":
        return InlineExecutor(options)
    if kind == "process":
        return ProcessExecutor(options, on_tick)
    return _ray_executor(options, on_tick)


def _ray_executor(options: ExecutorOptions, on_tick: OnTick) -> Executor:
    try:
        from pipeline.execute.ray import RayExecutor  # noqa: PLC0415  (an extra: absent on most nodes)
    except ModuleNotFoundError as e:
        hint = "pip install 'lantern-dicom[ray]', or set [work] executor to \"process\""
        raise ConfigInvalid('the executor is "ray", but Ray is not installed', hint) from e
    return RayExecutor(options, on_tick)
