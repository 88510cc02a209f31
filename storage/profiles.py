"""The ledger's sixth part: what destinations were found to accept."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from pipeline.core.profile import Profile, Refused
from storage import tables as t
from storage.engine import Database


class Profiles:
    """One profile for each destination, of where it is now; and what it refused by status."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def profile(self, destination: str, endpoint: str) -> Profile | None:
        """What is known of a destination; None when nothing is, or only of another endpoint than `endpoint`."""
        c = t.profile.c
        with self._db.read() as db:
            here = (c.destination == destination, c.endpoint == endpoint)
            row = db.execute(sa.select(t.profile).where(*here)).mappings().first()
            return _profile_of(row, _refused(db, destination, endpoint)) if row else None

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

    def keep_refusal(self, destination: str, endpoint: str, refused: Refused) -> None:
        """Write that a destination refused a SOP Class by status; with the next profile it is told."""
        values = {"endpoint": endpoint, "status": refused.status, "at": refused.at}
        try:
            self._write_refusal(destination, refused.sop_class_uid, values)
        except sa.exc.IntegrityError:  # another process was the first
            self._write_refusal(destination, refused.sop_class_uid, values)

    def forget_refusals(self, destination: str, sop_class_uid: str = "") -> int:
        """Forget what a destination refused by status, of one SOP Class or of all; returns how many that were."""
        c = t.refusal.c
        which = [c.destination == destination, *([c.sop_class_uid == sop_class_uid] if sop_class_uid else [])]
        with self._db.write() as db:
            return db.execute(sa.delete(t.refusal).where(*which)).rowcount

    def _write_refusal(self, destination: str, sop_class_uid: str, values: dict[str, object]) -> None:
        c = t.refusal.c
        own = (c.destination == destination, c.sop_class_uid == sop_class_uid)
        with self._db.write() as db:
            if not db.execute(sa.update(t.refusal).where(*own).values(**values)).rowcount:
                key = {"destination": destination, "sop_class_uid": sop_class_uid}
                db.execute(sa.insert(t.refusal).values(**key, **values))

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


def _refused(db: sa.Connection, destination: str, endpoint: str) -> tuple[Refused, ...]:
    c = t.refusal.c
    here = (c.destination == destination, c.endpoint == endpoint)
    rows = db.execute(sa.select(c.sop_class_uid, c.status, c.at).where(*here).order_by(c.sop_class_uid))
    return tuple(Refused(*row) for row in rows)


def _profile_of(row: sa.RowMapping, refused: tuple[Refused, ...]) -> Profile:
    return Profile(
        endpoint=row["endpoint"],
        asked_at=row["asked_at"],
        probed_at=row["probed_at"],
        accepted=frozenset((c, s) for c, s in row["accepted"]),
        software=row["software"],
        error=row["error"],
        refused=refused,
    )
