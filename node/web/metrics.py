"""The numbers of a node, and their form for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from pipeline.core.errors import LanternError
from pipeline.core.job import State
from pipeline.core.result import DeliveryState


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The node in numbers at one moment. Nothing in it tells of a patient.

    jobs:              jobs by state now; a state that is not named has none.
    deliveries:        by (destination's name, state) now; likewise.
    oldest_waiting_s:  by destination's name, the age of its oldest delivery that still waits; 0 if none does.
    receptions_open:   studies that still receive images or wait for their quiet period.
    instances_received, declined, failed: how many ever (moves, not states: a retry that fails again counts again).
    faults:            results that their proof found wrong, and that are sent nowhere.
    archive_bytes:     bytes the archive holds; archive_free_bytes: bytes its file system still takes.
    """

    jobs: Mapping[str, int] = field(default_factory=dict)
    deliveries: Mapping[tuple[str, str], int] = field(default_factory=dict)
    oldest_waiting_s: Mapping[str, float] = field(default_factory=dict)
    receptions_open: int = 0
    instances_received: int = 0
    declined: int = 0
    failed: int = 0
    faults: int = 0
    archive_bytes: int = 0
    archive_free_bytes: int = 0


TakeSnapshot = Callable[[], Snapshot]
"""Asks the ledger and the archive; may raise a LanternError and may take its time."""


class NodeCollector(Collector):
    """Takes one snapshot per scrape. Where none can be had, `lantern_up` is 0 and nothing else is told."""

    def __init__(self, snapshot: TakeSnapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """The metrics of this moment."""
        try:
            taken = self._snapshot()
        except LanternError:
            return [_up(0)]
        return [_up(1), *_work(taken), *_totals(taken), *_disk(taken)]


def _up(value: int) -> Metric:
    return GaugeMetricFamily("lantern_up", "1 if the ledger and the archive could be asked, else 0.", value)


def _work(s: Snapshot) -> Iterable[Metric]:
    jobs = GaugeMetricFamily("lantern_jobs", "Jobs by state.", labels=["state"])
    for state in _every(State, s.jobs):
        jobs.add_metric([state], s.jobs.get(state, 0))
    deliveries = GaugeMetricFamily(
        "lantern_deliveries", "Results on their way, by destination and state.", labels=["destination", "state"]
    )
    for destination in sorted({d for d, _ in s.deliveries} | set(s.oldest_waiting_s)):
        for state in DeliveryState:
            deliveries.add_metric([destination, state], s.deliveries.get((destination, state), 0))
    oldest = GaugeMetricFamily(
        "lantern_oldest_waiting_delivery_seconds",
        "Age of the oldest delivery that still waits, by destination.",
        labels=["destination"],
    )
    for destination, age in sorted(s.oldest_waiting_s.items()):
        oldest.add_metric([destination], age)
    open_now = GaugeMetricFamily(
        "lantern_receptions_open", "Studies that still receive images or wait to be quiet.", s.receptions_open
    )
    faults = GaugeMetricFamily("lantern_results_faulty", "Results found wrong by their proof, sent nowhere.", s.faults)
    return [jobs, deliveries, oldest, open_now, faults]


def _every(states: type[StrEnum], named: Mapping[str, int]) -> list[str]:
    """All states, so that a series is there before its first job, and whatever else was named."""
    return [*states, *sorted(set(named) - set(states))]


def _totals(s: Snapshot) -> Iterable[Metric]:
    return [
        CounterMetricFamily("lantern_instances_received", "SOP Instances acknowledged.", s.instances_received),
        CounterMetricFamily("lantern_jobs_declined", "Times a pipeline declined a study.", s.declined),
        CounterMetricFamily("lantern_jobs_failed", "Times a job failed and waited for a person.", s.failed),
    ]


def _disk(s: Snapshot) -> Iterable[Metric]:
    return [
        GaugeMetricFamily("lantern_archive_bytes", "Bytes the archive holds.", s.archive_bytes),
        GaugeMetricFamily("lantern_archive_free_bytes", "Bytes the archive can still take.", s.archive_free_bytes),
    ]
