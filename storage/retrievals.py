"""The ledger's fifth part: which studies this node has asked to be sent (C-MOVE), so that the receiver knows them."""

from __future__ import annotations

from datetime import timedelta

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
        """For so many seconds, images of this study that are moved here on our word are no work."""
        c = t.retrieval.c
        with self._db.write() as db:
            db.execute(
                sa.delete(t.retrieval).where(sa.or_(c.until < self._now(), c.study_instance_uid == study_instance_uid))
            )
            db.execute(
                sa.insert(t.retrieval).values(
                    study_instance_uid=study_instance_uid, until=self._now() + timedelta(seconds=seconds)
                )
            )

    def expects(self, study_instance_uid: str) -> bool:
        """Whether images of this study were asked for and may still come."""
        c = t.retrieval.c
        with self._db.read() as db:
            asked = sa.select(c.until).where(c.study_instance_uid == study_instance_uid, c.until >= self._now())
            return db.execute(asked).first() is not None
