"""What is kept: the ledger (rows, one transaction per method) and the archive (bytes on disk)."""

from storage.archive import Archive, Stored
from storage.engine import Database, open_database
from storage.ledger import Ledger

__all__ = ["Archive", "Database", "Ledger", "Stored", "open_database"]
