"""The ledger: every question and every move, each one transaction. Its four parts stand in four files."""

from __future__ import annotations

from storage.jobs import Jobs
from storage.outbox import Outbox
from storage.receptions import Receptions
from storage.upkeep import Upkeep


class Ledger(Receptions, Jobs, Outbox, Upkeep):
    """All four parts over one database. Every method may raise LedgerUnavailable."""
