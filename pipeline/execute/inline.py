"""Run in this process: for `lantern analyze` and for tests. No limit is kept and nothing can be stopped."""

from __future__ import annotations

from pipeline.contract import Declined, Found, Inputs
from pipeline.execute.attempt import answer, result_of
from pipeline.execute.options import ExecutorOptions


class InlineExecutor:
    """The Executor without a process of its own: a crash of the pipeline is a crash of the caller."""

    def __init__(self, options: ExecutorOptions) -> None:
        self._options = options

    def run(self, pipeline_name: str, inputs: Inputs) -> Found | Declined:
        """Run the pipeline of that name here and now. Raises errors of `pipeline.core.errors` only."""
        return result_of(answer(pipeline_name, inputs, self._options))

    def close(self) -> None:
        """Nothing is held."""
