"""The database: SQLite in WAL mode by default, PostgreSQL by URL; every failure of it is a LedgerUnavailable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import make_url

from pipeline.core.errors import LedgerUnavailable, OurFault

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_LOCK = 0x4C414E54  # any number, the same in every process: "LANT"


class Database:
    """An engine with two ways in: `read()` and `write()`, each one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may change rows; commits at the end. Raises LedgerUnavailable."""
        with self._transaction(writes=True) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only asks. Raises LedgerUnavailable."""
        with self._transaction(writes=False) as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables to this version's form. Safe when several processes start at once."""
        with self.write() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:k)"), {"k": _MIGRATION_LOCK})
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def require_current(self, *, make: bool = False) -> None:
        """Raise LedgerUnavailable unless the tables are there in this version's form.

        make: a database that is empty gets them. One with tables, of an earlier version or of somebody else, is not
        changed.
        """
        with self.read() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
            is_empty = not sa.inspect(connection).get_table_names()
        wanted = ScriptDirectory.from_config(_alembic()).get_current_head()
        if found is None and make and is_empty:
            self.migrate()
        elif found is None:
            raise LedgerUnavailable("the database has no tables yet", "start the node once: `lantern serve`")
        elif found != wanted:
            raise LedgerUnavailable(
                f"the database is of another version (tables {found}, this program's {wanted})",
                "use the program of the running node, or restart the node with this one",
            )

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[sa.Connection]:
        try:
            with self.engine.connect() as plain:
                connection = plain.execution_options(lantern_writes=writes)
                with connection.begin():
                    yield connection
        except sa.exc.IntegrityError:
            raise  # the caller's to understand: somebody else was quicker
        except sa.exc.DataError as e:
            raise OurFault(f"a value that the database cannot hold: {type(e.orig).__name__}") from e
        except sa.exc.DBAPIError as e:
            raise LedgerUnavailable(f"the database failed: {type(e.orig).__name__}: {e.orig}") from e
        except sa.exc.TimeoutError as e:
            raise LedgerUnavailable("no database connection came free in time") from e


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


def open_database(url: str) -> Database:
    """Open (SQLite: make) the database at an SQLAlchemy URL. Raises LedgerUnavailable for an unusable URL."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return Database(_sqlite(parsed))
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")  # what we ship, not SQLAlchemy's default
        return Database(sa.create_engine(parsed, pool_pre_ping=True, pool_size=10))
    except ModuleNotFoundError as e:
        raise LedgerUnavailable(f"the database driver {e.name} is not installed", "pip install '.[postgres]'") from e
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, OSError) as e:
        raise LedgerUnavailable(f"the database cannot be opened: {e}") from e


def _sqlite(url: sa.URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": 30.0, "check_same_thread": False})
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def _on_sqlite_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not open transactions behind our back
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another wrote meanwhile; IMMEDIATE waits.
    writes = connection.get_execution_options().get("lantern_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
