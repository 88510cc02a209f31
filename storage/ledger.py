"""The ledger: every question and every move, each one transaction. Its parts stand in files of their own."""

from __future__ import annotations

from storage.jobs import Jobs
from storage.outbox import Outbox
from storage.profiles import Profiles
from storage.receptions import Receptions
from storage.retrievals import Retrievals
from storage.upkeep import Upkeep


class Ledger(Receptions, Jobs, Outbox, Upkeep, Retrievals, Profiles):
    """All parts over one database. Every method may raise LedgerUnavailable."""
