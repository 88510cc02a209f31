"""The bytes: every file written under a temporary name, fsynced, and renamed to the SHA-256 of its content.

A path is made from the content alone, never from anything a sender chose; equal content is one file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import ConfigInvalid, DiskFull

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """A file in the archive; `path` is relative to its root."""

    path: str
    sha256: str
    size_bytes: int


class Archive:
    """A folder of files named by their content.

    root:           the folder; made when absent.
    min_free_bytes: below this much free space nothing more is taken (DiskFull), so that the database can still work.
    """

    def __init__(self, root: Path, min_free_bytes: int = 0) -> None:
        self.root = root
        self.min_free_bytes = min_free_bytes
        self.incoming_dir = root / "incoming"
        with _disk_full_named():
            self.incoming_dir.mkdir(parents=True, exist_ok=True)
            for folder in range(256):  # made beforehand, so that no image waits for its folder to become durable
                (root / f"files/{folder:02x}").mkdir(parents=True, exist_ok=True)
            _sync_folder(root / "files")
            _sync_folder(root)

    def put(self, data: bytes) -> Stored:
        """Keep `data`; on return it is durable. Raises DiskFull."""
        self.require_room(len(data))
        with _disk_full_named(), tempfile.NamedTemporaryFile(dir=self.incoming_dir, delete=False) as f:
            try:
                f.write(data)
                f.flush()
            except OSError:
                Path(f.name).unlink(missing_ok=True)
                raise
        return self.adopt(Path(f.name))

    def adopt(self, path: Path) -> Stored:
        """Take a file in `incoming_dir` over; on return it is durable under its final name. Raises DiskFull."""
        with _disk_full_named():
            try:
                sha256, size = _hash_and_sync(path)
                relative = f"files/{sha256[:2]}/{sha256}.dcm"
                final = self.root / relative
                path.replace(final)
                _sync_folder(final.parent)
            except OSError:
                path.unlink(missing_ok=True)
                raise
        return Stored(relative, sha256, size)

    def absolute(self, relative: str) -> Path:
        """Where a stored file is."""
        return self.root / relative

    @contextlib.contextmanager
    def keeping(self, relative: str) -> Iterator[None]:
        """Between `adopt` and the commit of the row: `remove_unless` leaves the file alone as long as the block lasts.

        Raises FileNotFoundError when it was removed before: equal content that nothing referred to any more.
        """
        with self._locked(relative, fcntl.LOCK_SH):
            self.absolute(relative).stat()
            yield

    def remove_unless(self, relative: str, needed: Callable[[str], bool]) -> bool:
        """Delete a stored file unless it is needed at this moment; True when it was deleted."""
        with self._locked(relative, fcntl.LOCK_EX):
            if needed(relative):
                return False
            self.remove(relative)
            return True

    def remove(self, relative: str) -> None:
        """Delete a stored file; none there is fine."""
        self.absolute(relative).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, relative: str, how: int) -> Iterator[None]:
        # A file of its own, as NFS locks no folders; one a folder, so that receiving and cleaning seldom meet.
        fd = os.open(self.absolute(relative).parent / ".lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(fd, how)
            yield
        finally:
            os.close(fd)

    def stored(self) -> Iterator[tuple[str, float]]:
        """Every stored file as (relative path, modification time in s since the epoch)."""
        for path in (self.root / "files").glob("*/*.dcm"):
            with contextlib.suppress(FileNotFoundError):  # another cleaner was quicker
                yield path.relative_to(self.root).as_posix(), path.stat().st_mtime

    def sweep_incoming(self, older_than: float) -> int:
        """Delete temporary files last written before `older_than` (s since the epoch); returns how many."""
        return _unlink_where(self.incoming_dir, lambda p: p.stat().st_mtime < older_than)

    def free_bytes(self) -> int:
        """Free space on the archive's file system."""
        return shutil.disk_usage(self.root).free

    def require_room(self, needed_bytes: int = 0) -> None:
        """Raise DiskFull when taking `needed_bytes` more would go below the minimum."""
        free = self.free_bytes()
        if free - needed_bytes < self.min_free_bytes:
            raise DiskFull(f"{free >> 20} MB free under the archive, {self.min_free_bytes >> 20} MB must stay")


@contextlib.contextmanager
def _disk_full_named() -> Iterator[None]:
    try:
        yield
    except OSError as e:
        if e.errno in _FULL:
            raise DiskFull(f"the archive could not be written: {e.strerror}") from e
        if e.errno in _FORBIDDEN:
            hint = "run this as the node's user, for example `sudo -u lantern lantern ...`, or mend the folder's owner"
            raise ConfigInvalid(f"the archive cannot be written: {e.strerror}: {e.filename}", hint) from e
        raise


def _hash_and_sync(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as f:
        while block := f.read(_BLOCK):
            digest.update(block)
            size += len(block)
        os.fsync(f.fileno())
    return digest.hexdigest(), size


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _unlink_where(folder: Path, chosen: Callable[[Path], bool]) -> int:
    count = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if chosen(path):
                path.unlink()
                count += 1
    return count
