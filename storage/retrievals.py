"""The ledger's fifth part: which studies this node has asked to be sent (C-MOVE), so that the receiver knows them."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from pipeline.core.clock import Clock, utc_now
from storage import tables as t
from storage.engine import Database


class Retrievals:
    """What is on its way here because this node asked for it."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._db = database
        self._now = clock

    def expect(self, study_instance_uid: str, seconds: float) -> None:
        """For so many seconds at least, images of this study that are moved here on our word are no work.

        A longer time that another job asked for stays.
        """
        until = self._now() + timedelta(seconds=seconds)
        try:
            self._expect(study_instance_uid, until)
        except sa.exc.IntegrityError:  # another job asked for it first, at the same moment: now it can be seen
            self._expect(study_instance_uid, until)

    def _expect(self, study_instance_uid: str, until: datetime) -> None:
        c = t.retrieval.c
        with self._db.write() as db:
            db.execute(sa.delete(t.retrieval).where(c.until < self._now()))
            known = db.execute(sa.select(c.until).where(c.study_instance_uid == study_instance_uid)).scalar()
            if known is None:
                db.execute(sa.insert(t.retrieval).values(study_instance_uid=study_instance_uid, until=until))
            elif known < until:
                db.execute(sa.update(t.retrieval).where(c.study_instance_uid == study_instance_uid).values(until=until))

    def expects(self, study_instance_uid: str) -> bool:
        """Whether images of this study were asked for and may still come."""
        c = t.retrieval.c
        with self._db.read() as db:
            asked = sa.select(c.until).where(c.study_instance_uid == study_instance_uid, c.until >= self._now())
            return db.execute(asked).first() is not None
