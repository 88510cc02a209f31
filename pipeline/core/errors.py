"""Every error Lantern raises on purpose.

::

    LanternError                  has .hint: what a person should do
     ├─ OurFault                  a bug here; never the sender's or the admin's doing
     │   └─ IllegalMove           an event that the life of a job does not know
     ├─ Retryable                 the same work may succeed later, unchanged
     │   ├─ DiskFull              the archive cannot take another byte
     │   ├─ LedgerUnavailable     the database did not answer or could not commit
     │   ├─ PeerUnreachable       no association, no answer, connection lost
     │   ├─ PeerBusy              out of resources: 0xA7xx, HTTP 429/503
     │   ├─ ExecutorDied          the process that computed is gone (crash, kill, out of memory)
     │   └─ OutOfMemory           the computation did not fit, even in its smallest form
     └─ Permanent                 trying again changes nothing until somebody acts
         ├─ HeaderUnusable        a data set without the attributes we file it by
         ├─ PixelsUnreadable      truncated, or in a form no decoder here reads
         ├─ GeometryUnusable      the slices do not make a volume
         ├─ PeerRefused           the peer said no to this object: 0xA9xx, 0xCxxx, no context
         ├─ PipelineFailed        a pipeline raised; the cause is in the message
         ├─ TimeLimit             a pipeline ran past its time limit
         ├─ WeightsCorrupt        missing weights, or not the bytes the model card names
         ├─ ConfigInvalid         the configuration file cannot be used
         ├─ WrongState            what a person asked for does not go with the state of the job
         └─ NotFound              no such job, study or destination
"""

from __future__ import annotations


class LanternError(Exception):
    """An error made for a person to read: what happened, and in `hint` what to do about it.

    Both are kept in `args`, so that the error survives pickling across an Executor.
    """

    default_hint = ""

    def __init__(self, message: str = "", hint: str = "") -> None:
        super().__init__(message, hint or self.default_hint)

    @property
    def message(self) -> str:
        """What happened, in one sentence without patient data."""
        return str(self.args[0])

    @property
    def hint(self) -> str:
        """What a person should do; may be empty."""
        return str(self.args[1])

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class OurFault(LanternError):
    """A bug in Lantern."""

    default_hint = "this is a bug in Lantern: please report it with the log lines around it"


class IllegalMove(OurFault):
    """An event that the state of a job does not allow."""


class Retryable(LanternError):
    """The same work may succeed later."""


class DiskFull(Retryable):
    """The archive has no room."""

    default_hint = "free disk space under archive_dir, or shorten the retention and run `lantern clean`"


class LedgerUnavailable(Retryable):
    """The database did not answer, is locked, or could not commit."""

    default_hint = "check that the database of [storage] database_url is up and writable"


class PeerUnreachable(Retryable):
    """No association could be opened, or it broke."""

    default_hint = "check host, port and AE titles with `lantern destinations echo`"


class PeerBusy(Retryable):
    """The peer is out of resources (0xA7xx, HTTP 429 or 503)."""


class ExecutorDied(Retryable):
    """The process that computed is gone."""

    default_hint = "look in the system log for an out-of-memory kill or a driver error"


class OutOfMemory(Retryable):
    """The computation did not fit in memory, even with the smallest tiles."""

    default_hint = "give the machine more memory, or raise [work] memory_limit_mb"


class Permanent(LanternError):
    """Trying again changes nothing until somebody acts."""


class HeaderUnusable(Permanent):
    """A data set without the attributes it is filed by (PS3.3 A.1.2: the UIDs)."""


class PixelsUnreadable(Permanent):
    """Pixel data truncated or in a form no installed decoder reads."""

    default_hint = "`lantern doctor` lists the transfer syntaxes that can be read"


class GeometryUnusable(Permanent):
    """The slices do not form a volume (gaps, mixed orientations, gantry tilt, one slice)."""


class PeerRefused(Permanent):
    """The peer refused this object (0xA9xx, 0xCxxx, HTTP 4xx) or has no presentation context for it."""

    default_hint = "see what the destination accepts, then `lantern jobs retry`"


class PipelineFailed(Permanent):
    """A pipeline raised something it did not mean to."""

    default_hint = (
        'the log shows where; with [log] level = "debug", or `lantern analyze -v`, also its words; '
        "after a mend, `lantern jobs retry`"
    )


class TimeLimit(Permanent):
    """A pipeline ran past its time limit and was stopped."""

    default_hint = "raise [work] time_limit_s, or use a faster device"


class WeightsCorrupt(Permanent):
    """Weights are missing or are not the bytes that weights.toml names."""

    default_hint = "reinstall Lantern, or restore the file that weights.toml names"


class ConfigInvalid(Permanent):
    """The configuration cannot be used; every problem is in the message, one a line."""


class WrongState(Permanent):
    """What a person asked for does not go with the state of the job."""

    default_hint = "`lantern jobs show` tells where the job is"


class NotFound(Permanent):
    """No such job, study or destination."""

    default_hint = "the listings (`lantern jobs list`, `lantern studies`) show what there is"


def place_of(error: BaseException) -> str:
    """Type and place of an error that nobody foresaw. Its words may quote a data set, and so are left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "unknown"
    return f"{type(error).__name__} at {place}"
