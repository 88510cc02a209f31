"""STOW-RS to a destination (PS3.18 10.5), one request per object, so that each has its own answer."""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from node.scu import SLOWEST_BYTES_PER_S, Outcome, Status, answered, clean
from pipeline.core.errors import PeerBusy, PeerRefused, PeerUnreachable
from pipeline.core.route import Destination

log = logging.getLogger(__name__)

UIDS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
CHUNK_BYTES = 1 << 18
MAX_ANSWER_BYTES = 1 << 20
CONNECT_TIMEOUT_S = 10.0

FAILED_SOP_SEQUENCE, REFERENCED_SOP_SEQUENCE = "00081198", "00081199"
OTHER_FAILURES_SEQUENCE = "0008119A"
REFERENCED_SOP_INSTANCE_UID = "00081155"
FAILURE_REASON, WARNING_REASON = "00081197", "00081196"
CANNOT_UNDERSTAND = 0xC000
NO_STUDY = "2.25.0"

SERVICE_STATUS = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405, 407, 408, 425, 429})
"""HTTP codes that speak of the service, its address or our token, not of the object: an expired token must not
park what a new one would deliver. The 5xx are of the same sort."""

HINTS = {
    401: "the token of this destination is missing, wrong or expired",
    403: "the token of this destination does not allow to store",
    404: "stow_url should be the DICOMweb root, such as https://host/dicom-web",
    405: "stow_url should be the DICOMweb root, such as https://host/dicom-web",
    407: "a proxy in between wants a password",
}


@dataclass(frozen=True, slots=True)
class _Item:
    path: Path
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    size: int


@dataclass(frozen=True, slots=True)
class _Tried:
    """`trouble`: why the rest should not be tried now, empty when it should."""

    outcome: Outcome
    trouble: str
    answered: bool


@dataclass(frozen=True, slots=True)
class _Reply:
    code: int
    body: Any


def send(
    destination: Destination,
    files: Sequence[Path],
    *,
    tls: ssl.SSLContext | None = None,
    on_tick: Callable[[], None] | None = None,
) -> list[Outcome]:
    """Store `files` at `destination.stow_url`; one Outcome per file, in their order.

    stow_url is the DICOMweb root, with or without `/studies`; destination.secret, if any, goes as a bearer token.
    Certificates are verified (against the operating system's, or `tls`); redirects and proxies of the environment are
    not followed, so that neither patient data nor the token goes elsewhere. 409 without a reason counts as accepted
    only when the server then shows that it has the object. Once the service as a whole is in trouble (429, 5xx, no
    connection) the remaining files are left for later. Raises PeerUnreachable when it answered for no file at all.
    """
    tried: list[_Tried] = []
    with _client(destination, tls) as client:
        for path in files:
            if on_tick:
                on_tick()
            tried.append(_try(client, destination, path, tried[-1].trouble if tried else ""))
    if tried and tried[-1].trouble and not any(t.answered for t in tried):
        raise PeerUnreachable(tried[-1].trouble, _connection_hint(destination))
    return [t.outcome for t in tried]


def reach(destination: Destination, *, tls: ssl.SSLContext | None = None) -> str:
    """Whether the service is there and takes our token; what it calls itself, may be empty. Nothing is stored.

    Asked by QIDO-RS (PS3.18 10.6) for a study that does not exist, so that no patient's data comes back. A service
    that only stores may refuse this and still take results. Raises PeerUnreachable, PeerBusy (429, 5xx) or PeerRefused.
    """
    with _client(destination, tls) as client:
        try:
            response = client.get(_studies_url(destination), params={"StudyInstanceUID": NO_STUDY, "limit": "1"})
        except (httpx.TransportError, httpx.InvalidURL) as error:
            said = clean(f"{destination.name}: {type(error).__name__}: {error}")
            raise PeerUnreachable(said, _connection_hint(destination)) from error
    code = response.status_code
    if response.is_success:
        return clean(response.headers.get("Server", ""))
    if code == 429 or code >= 500:
        raise PeerBusy(f"{destination.name} answered HTTP {code}", "it will be tried again")
    raise PeerRefused(f"{destination.name} answered HTTP {code}", HINTS.get(code, "results may still be welcome"))


def _try(client: httpx.Client, destination: Destination, path: Path, trouble: str) -> _Tried:
    try:
        item = _read(path)
    except (OSError, InvalidDicomError, AttributeError) as error:
        said = clean(f"not a DICOM file that can be sent: {error}")
        return _Tried(Outcome("", Status.REFUSED, said), trouble, answered=False)
    if trouble:
        return _Tried(Outcome(item.sop_instance_uid, Status.LATER, f"not tried: {trouble}"), trouble, answered=False)
    url = _studies_url(destination)
    try:
        reply = _store(client, url, item, destination.timeout_s)
    except (httpx.TransportError, httpx.InvalidURL, _TooSlow, OSError) as error:
        trouble = clean(f"{destination.name}: {type(error).__name__}: {error}")
        return _Tried(Outcome(item.sop_instance_uid, Status.LATER, trouble), trouble, answered=False)
    outcome = _judge(client, url, item, reply)
    return _Tried(outcome, outcome.detail if reply.code == 429 or reply.code >= 500 else "", answered=True)


class _TooSlow(Exception):
    """The answer trickles in and would never end, or is not one."""


def _client(destination: Destination, tls: ssl.SSLContext | None) -> httpx.Client:
    headers = {"Accept": "application/dicom+json"}
    if destination.secret:
        headers["Authorization"] = f"Bearer {destination.secret}"
    timeout = httpx.Timeout(destination.timeout_s, connect=min(CONNECT_TIMEOUT_S, destination.timeout_s))
    return httpx.Client(headers=headers, timeout=timeout, verify=tls or ssl.create_default_context(), trust_env=False)


def _studies_url(destination: Destination) -> str:
    root = destination.stow_url.rstrip("/")
    return root if root.endswith("/studies") else f"{root}/studies"


def _read(path: Path) -> _Item:
    header = dcmread(path, specific_tags=list(UIDS), stop_before_pixels=True)
    return _Item(
        path,
        str(header.SOPInstanceUID),
        str(header.SeriesInstanceUID),
        str(header.StudyInstanceUID),
        path.stat().st_size,
    )


def _store(client: httpx.Client, url: str, item: _Item, timeout_s: float) -> _Reply:
    boundary = uuid4().hex
    opening = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    closing = f"\r\n--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(len(opening) + item.size + len(closing)),
    }
    until = time.monotonic() + timeout_s + item.size / SLOWEST_BYTES_PER_S
    body = _body(opening, item.path, closing, until)
    with client.stream("POST", url, content=body, headers=headers) as response:
        return _Reply(response.status_code, _parse(_answer(response, until)))


def _body(opening: bytes, path: Path, closing: bytes, until: float) -> Iterator[bytes]:
    yield opening
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if time.monotonic() > until:
                raise _TooSlow("the object could not be sent in time")
            yield chunk
    yield closing


def _answer(response: httpx.Response, until: float) -> bytes:
    answer = b""
    for chunk in response.iter_bytes():
        answer += chunk
        if len(answer) > MAX_ANSWER_BYTES or time.monotonic() > until:
            raise _TooSlow("the answer does not end")
    return answer


def _parse(answer: bytes) -> Any:
    try:
        return json.loads(answer)
    except ValueError:
        return None


def _judge(client: httpx.Client, url: str, item: _Item, reply: _Reply) -> Outcome:
    """PS3.18 Table 10.5.3-1, and the reasons of the Store Instances Response Module (Annex I.2.2)."""
    uid, code = item.sop_instance_uid, reply.code
    if code in SERVICE_STATUS or code >= 500:
        return Outcome(uid, Status.LATER, clean(f"HTTP {code}: {HINTS.get(code, 'the service is in trouble')}"))
    failure = _entry(reply.body, (FAILED_SOP_SEQUENCE, OTHER_FAILURES_SEQUENCE), uid)
    if failure is not None:
        reason = _code(failure, FAILURE_REASON, default=CANNOT_UNDERSTAND)
        outcome = answered(uid, reason)
        return replace(outcome, detail=f"HTTP {code} {outcome.detail}")
    if code == 409 and _has(client, url, item):
        return Outcome(uid, Status.ACCEPTED, "HTTP 409: it was already there")
    if code not in (200, 202):
        return Outcome(uid, Status.REFUSED, f"HTTP {code}")
    warning = _code(_entry(reply.body, (REFERENCED_SOP_SEQUENCE,), uid), WARNING_REASON, default=0)
    if warning:
        log.warning("%s was taken with a warning: 0x%04X", uid, warning)
    return Outcome(uid, Status.ACCEPTED, f"HTTP {code} 0x{warning:04X}")


def _entry(body: Any, sequences: tuple[str, ...], uid: str) -> Any:
    """What the answer (DICOM JSON model, PS3.18 F.2) says of `uid` in one of `sequences`; None when nothing.

    An entry without a UID is about the only object that the request had.
    """
    dataset = body[0] if isinstance(body, list) and body else body
    entries = (e for sequence in sequences for e in _values(dataset, sequence))
    return next((e for e in entries if _values(e, REFERENCED_SOP_INSTANCE_UID)[:1] in ([uid], [])), None)


def _code(entry: Any, tag: str, default: int) -> int:
    values = _values(entry, tag)
    return values[0] if values and isinstance(values[0], int) else default


def _values(dataset: Any, tag: str) -> list[Any]:
    element = dataset.get(tag) if isinstance(dataset, dict) else None
    value = element.get("Value") if isinstance(element, dict) else None
    return value if isinstance(value, list) else []


def _has(client: httpx.Client, url: str, item: _Item) -> bool:
    where = f"{url}/{item.study_instance_uid}/series/{item.series_instance_uid}/instances/{item.sop_instance_uid}"
    try:
        return client.get(f"{where}/metadata").status_code == 200
    except httpx.TransportError:
        return False


def _connection_hint(destination: Destination) -> str:
    return f"can this machine reach {destination.stow_url}, and does it trust its certificate?"
