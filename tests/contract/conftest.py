"""A ledger on SQLite and one on a real PostgreSQL, for the suites that must pass on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import Ledger, open_database
from tests.support.ledger import HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/lantern.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def ledger(url: str, clock: HandClock) -> Iterator[Ledger]:
    database = open_database(url)
    database.migrate()
    yield Ledger(database, clock)
    database.close()
