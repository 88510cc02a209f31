"""When a destination is asked what it takes, and when it is left alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from node.profiles import SILENT_FOR, Prober, Profiles
from pipeline.core.errors import PeerUnreachable
from pipeline.core.profile import Profile
from pipeline.core.route import Destination
from storage import Ledger, open_database
from tests.support.ledger import HandClock

PACS = Destination("pacs", "PACS", "192.0.2.1", 104)
SILENT_S = SILENT_FOR.total_seconds()
DAY_S = 86400.0


@dataclass
class Peer:
    """Answers a probe, or does not; and counts how often it was asked."""

    clock: HandClock
    answers: bool = True
    odd: bool = False
    limits_s: list[float | None] = field(default_factory=list)

    def __call__(self, destination: Destination, timeout_s: float | None) -> Profile:
        self.limits_s.append(timeout_s)
        if self.odd:
            raise RuntimeError("PatientName of somebody")
        if not self.answers:
            raise PeerUnreachable("pacs: no connection")
        return Profile(destination.endpoint, self.clock(), self.clock(), frozenset({("1.2", "1.3")}))


@pytest.fixture
def peer() -> Peer:
    return Peer(HandClock())


@pytest.fixture
def profiles(tmp_path: Path, peer: Peer) -> Profiles:
    database = open_database(f"sqlite:///{tmp_path}/lantern.db")
    database.migrate()
    return Profiles(Ledger(database, peer.clock), peer, peer.clock)


def test_a_job_asks_once_with_little_patience_and_the_next_one_knows(profiles: Profiles, peer: Peer) -> None:
    found = profiles.for_job(PACS)
    assert found is not None
    assert found.accepted
    assert profiles.for_job(PACS) == found
    assert len(peer.limits_s) == 1
    assert peer.limits_s[0] is not None
    assert peer.limits_s[0] <= 5


def test_a_dead_destination_costs_one_question_for_many_jobs(profiles: Profiles, peer: Peer) -> None:
    peer.answers = False
    for _ in range(3):
        found = profiles.for_job(PACS)
        assert found is not None
        assert not found.is_known
        assert "no connection" in found.error
    assert len(peer.limits_s) == 1
    peer.clock.advance(SILENT_S + 1)
    peer.answers = True
    assert profiles.for_job(PACS).is_known  # type: ignore[union-attr]


def test_an_answer_counts_for_a_day_and_a_job_does_not_wait_for_a_newer_one(profiles: Profiles, peer: Peer) -> None:
    assert profiles.is_due(PACS)
    profiles.probe(PACS)
    assert not profiles.is_due(PACS)
    peer.clock.advance(DAY_S + 1)
    assert profiles.is_due(PACS)
    profiles.for_job(PACS)
    assert len(peer.limits_s) == 1


def test_another_address_is_asked_anew(profiles: Profiles, peer: Peer) -> None:
    profiles.probe(PACS)
    moved = Destination("pacs", "PACS", "192.0.2.2", 104)
    assert profiles.is_due(moved)
    assert profiles.of(moved) is None


def test_a_refusal_has_it_asked_again_at_once(profiles: Profiles, peer: Peer) -> None:
    prober = Prober(profiles, PACS)
    for _ in range(3):
        prober.tick()
    assert len(peer.limits_s) == 1
    prober.doubt()
    for _ in range(3):
        prober.tick()
    assert len(peer.limits_s) == 2


def test_a_silent_destination_is_asked_again_after_a_while_and_keeps_what_it_said(
    profiles: Profiles, peer: Peer
) -> None:
    prober = Prober(profiles, PACS)
    prober.tick()
    peer.answers = False
    prober.doubt()
    prober.tick()
    known = profiles.of(PACS)
    assert known is not None
    assert known.is_known
    assert known.error
    prober.tick()
    assert len(peer.limits_s) == 2
    peer.clock.advance(SILENT_S + 1)
    prober.tick()
    assert len(peer.limits_s) == 3


def test_a_probe_that_breaks_in_an_unforeseen_way_ends_nothing_and_repeats_no_words(
    profiles: Profiles, peer: Peer
) -> None:
    peer.odd = True
    found = profiles.probe(PACS)
    assert "RuntimeError at" in found.error
    assert "PatientName" not in found.error
