"""Logging to standard error: one line or one JSON object a record. UIDs and job numbers, never patient data."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": record.processName,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _is_no_failed_connection(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(("Association request failed: unable to", "TCP Initialisation Error"))


def set_up_logging(process: str, level: str, *, as_json: bool) -> None:
    """Send every record of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter(f"%(asctime)s {process:8} %(levelname)-7s %(message)s")
    handler.setFormatter(_JsonFormatter() if as_json else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # These libraries log every PDU, SQL statement or element; some of it would be patient data.
    for noisy in ("pynetdicom", "pydicom", "sqlalchemy", "alembic", "highdicom", "matplotlib", "httpx", "PIL"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "pydicom" else logging.WARNING)
    # A peer that cannot be reached is told once, by whoever asked for it, with what to look at.
    logging.getLogger("pynetdicom.transport").addFilter(_is_no_failed_connection)
