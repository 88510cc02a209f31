"""The ledger's sixth part: what destinations were found to accept."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from pipeline.core.profile import Profile
from storage import tables as t
from storage.engine import Database


class Profiles:
    """One profile for each destination, of where it is now."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def profile(self, destination: str, endpoint: str) -> Profile | None:
        """What is known of a destination; None when nothing is, or only of another endpoint than `endpoint`."""
        c = t.profile.c
        with self._db.read() as db:
            here = (c.destination == destination, c.endpoint == endpoint)
            row = db.execute(sa.select(t.profile).where(*here)).mappings().first()
            return _profile_of(row) if row else None

    def keep_profile(self, destination: str, profile: Profile) -> None:
        """Write what a destination said. Where it did not answer (`error`), what it said before stands."""
        values: dict[str, object] = {"asked_at": profile.asked_at, "error": profile.error}
        answered = values | {
            "endpoint": profile.endpoint,
            "probed_at": profile.probed_at,
            "accepted": sorted(list(pair) for pair in profile.accepted),
            "software": profile.software,
        }
        try:
            self._write(destination, profile, values, answered)
        except sa.exc.IntegrityError:  # another process was the first to know anything: now there is a row
            self._write(destination, profile, values, answered)

    def _write(
        self, destination: str, profile: Profile, silent: dict[str, object], answered: dict[str, object]
    ) -> None:
        c = t.profile.c
        own, same = c.destination == destination, c.endpoint == profile.endpoint
        with self._db.write() as db:
            if profile.error and db.execute(sa.update(t.profile).where(own, same).values(**silent)).rowcount:
                return
            if not db.execute(sa.update(t.profile).where(own).values(**answered)).rowcount:
                db.execute(sa.insert(t.profile).values(destination=destination, **answered))


def _profile_of(row: sa.RowMapping) -> Profile:
    return Profile(
        endpoint=row["endpoint"],
        asked_at=row["asked_at"],
        probed_at=row["probed_at"],
        accepted=frozenset((c, s) for c, s in row["accepted"]),
        software=row["software"],
        error=row["error"],
    )
