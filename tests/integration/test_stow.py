"""STOW-RS to Orthanc, and to a web server that answers what a script says."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from node.scu import Status
from node.stow import reach, send
from node.tls import client_context, server_context
from pipeline.core.errors import PeerBusy, PeerRefused, PeerUnreachable
from pipeline.core.route import Destination
from tests.support.findings import write_planned
from tests.support.hostile import silent_peer
from tests.support.objects import uid_of, write_capture, write_sample
from tests.support.peers import OrthancPeer, free_port

TOKEN_FILTER = """
function IncomingHttpRequestFilter(method, uri, ip, username, httpHeaders)
  return uri == '/system' or httpHeaders['authorization'] == 'Bearer right'
end
"""


def to(url: str, secret: str = "", timeout_s: float = 10.0) -> Destination:
    return Destination("cloud", stow_url=url, secret=secret, timeout_s=timeout_s)


def failed(uid: str, reason: int) -> Any:
    """A Store Instances Response Module (PS3.18 I.2) that names one failed instance."""
    entry = {"00081155": {"vr": "UI", "Value": [uid]}, "00081197": {"vr": "US", "Value": [reason]}}
    return {"00081198": {"vr": "SQ", "Value": [entry]}}


@contextmanager
def web_server(
    *answers: tuple[int, Any], get_code: int = 404, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Answers POSTs one after another with (code, JSON), the last again and again; yields URL and seen headers."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(dict(self.headers))
            code, body = answers[min(len(seen), len(answers)) - 1]
            self._reply(code, b"" if body is None else json.dumps(body).encode())

        def do_GET(self) -> None:
            self._reply(get_code, b"[]")

        def _reply(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}/dicom-web", seen
    finally:
        server.shutdown()
        server.server_close()


def statuses(outcomes: Sequence[Any]) -> list[Status]:
    return [o.status for o in outcomes]


@pytest.mark.parametrize("ending", ["", "/", "/studies"])
def test_orthanc_holds_what_was_stored(orthanc: OrthancPeer, tmp_path: Path, ending: str) -> None:
    sample = write_sample(tmp_path)
    outcomes = send(to(orthanc.dicomweb_url + ending), sample.results)
    assert statuses(outcomes) == [Status.ACCEPTED] * 2
    assert [o.sop_instance_uid for o in outcomes] == [uid_of(f) for f in sample.results]
    (tmp_path / "back.dcm").write_bytes(orthanc.file(uid_of(sample.seg)))
    assert dcmread(tmp_path / "back.dcm") == dcmread(sample.seg)


def test_orthanc_holds_every_object_of_a_plan(orthanc: OrthancPeer, tmp_path: Path) -> None:
    files = write_planned(tmp_path)
    assert statuses(send(to(orthanc.dicomweb_url), files)) == [Status.ACCEPTED] * len(files)
    for file in files:
        assert dcmread(BytesIO(orthanc.file(uid_of(file)))) == dcmread(file)


def test_storing_twice_leaves_one_object(orthanc: OrthancPeer, tmp_path: Path) -> None:
    capture = write_capture(tmp_path)
    for _ in range(2):
        assert statuses(send(to(orthanc.dicomweb_url), [capture])) == [Status.ACCEPTED]
    assert len(orthanc.instances()) == 1


def test_a_large_object_arrives_whole(orthanc: OrthancPeer, tmp_path: Path) -> None:
    large = write_capture(tmp_path, pixels=4096)
    assert statuses(send(to(orthanc.dicomweb_url), [large])) == [Status.ACCEPTED]
    assert len(orthanc.file(uid_of(large))) >= 4096 * 4096


def test_a_wrong_token_leaves_results_waiting_and_the_right_one_delivers_them(
    make_orthanc: Callable[..., OrthancPeer], tmp_path: Path
) -> None:
    orthanc = make_orthanc(lua=TOKEN_FILTER, headers={"Authorization": "Bearer right"})
    capture = write_capture(tmp_path)
    (outcome,) = send(to(orthanc.dicomweb_url, secret="expired"), [capture])
    assert outcome.status is Status.LATER
    assert "token" in outcome.detail
    assert orthanc.instances() == {}
    assert statuses(send(to(orthanc.dicomweb_url, secret="right"), [capture])) == [Status.ACCEPTED]
    assert set(orthanc.instances()) == {uid_of(capture)}


def test_reaching_a_service_needs_the_right_token_and_stores_nothing(
    make_orthanc: Callable[..., OrthancPeer],
) -> None:
    orthanc = make_orthanc(lua=TOKEN_FILTER, headers={"Authorization": "Bearer right"})
    reach(to(orthanc.dicomweb_url, secret="right"))
    with pytest.raises(PeerRefused) as caught:
        reach(to(orthanc.dicomweb_url, secret="expired"))
    assert "token" in caught.value.hint
    assert orthanc.instances() == {}


def test_a_service_that_is_away_silent_or_busy_is_not_reached() -> None:
    with pytest.raises(PeerUnreachable):
        reach(to(f"http://127.0.0.1:{free_port()}"))
    with silent_peer() as port, pytest.raises(PeerUnreachable):
        reach(to(f"http://127.0.0.1:{port}", timeout_s=1.0))
    with web_server((200, {}), get_code=503) as (url, _), pytest.raises(PeerBusy):
        reach(to(url))
    with web_server((200, {}), get_code=404) as (url, _), pytest.raises(PeerRefused, match="404"):
        reach(to(url))


def test_the_url_of_something_else_leaves_results_waiting(orthanc: OrthancPeer, tmp_path: Path) -> None:
    (outcome,) = send(to(f"{orthanc.url}/nothing-here"), [write_capture(tmp_path)])
    assert outcome.status is Status.LATER
    assert "stow_url" in outcome.detail


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (200, Status.ACCEPTED),
        (202, Status.ACCEPTED),
        (400, Status.REFUSED),
        (415, Status.REFUSED),
        (422, Status.REFUSED),
        (302, Status.LATER),
        (401, Status.LATER),
        (403, Status.LATER),
        (429, Status.LATER),
        (500, Status.LATER),
        (503, Status.LATER),
    ],
)
def test_the_http_code_decides_what_becomes_of_the_object(tmp_path: Path, code: int, status: Status) -> None:
    with web_server((code, None)) as (url, seen):
        (outcome,) = send(to(url), [write_capture(tmp_path)])
    assert outcome.status is status
    assert f"HTTP {code}" in outcome.detail
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("code", "reason", "status"),
    [
        (409, 0xA700, Status.LATER),
        (409, 0xA900, Status.REFUSED),
        (202, 0xC000, Status.REFUSED),
        (409, 0x0122, Status.REFUSED),
        (409, 0x0111, Status.ACCEPTED),
        (200, 0x0110, Status.LATER),
    ],
)
def test_the_failure_reason_in_the_answer_outweighs_the_http_code(
    tmp_path: Path, code: int, reason: int, status: Status
) -> None:
    capture = write_capture(tmp_path)
    with web_server((code, failed(uid_of(capture), reason))) as (url, _):
        (outcome,) = send(to(url), [capture])
    assert outcome.status is status
    assert f"0x{reason:04X}" in outcome.detail
    assert outcome.refused_with == (reason if reason == 0x0122 else 0)


@pytest.mark.parametrize(("get_code", "status"), [(200, Status.ACCEPTED), (404, Status.REFUSED)])
def test_a_conflict_is_a_success_only_when_the_server_shows_that_it_has_the_object(
    tmp_path: Path, get_code: int, status: Status
) -> None:
    with web_server((409, None), get_code=get_code) as (url, _):
        (outcome,) = send(to(url), [write_capture(tmp_path)])
    assert outcome.status is status


def test_one_refused_object_does_not_hold_up_the_next(tmp_path: Path) -> None:
    with web_server((400, None), (200, {})) as (url, _):
        assert statuses(send(to(url), write_sample(tmp_path).results)) == [Status.REFUSED, Status.ACCEPTED]


def test_a_busy_server_is_not_pressed_further(tmp_path: Path) -> None:
    with web_server((200, {}), (503, None)) as (url, seen):
        outcomes = send(to(url), write_sample(tmp_path).images)
    assert statuses(outcomes) == [Status.ACCEPTED, Status.LATER, Status.LATER]
    assert len(seen) == 2


def test_the_token_goes_as_a_bearer_token_and_only_when_there_is_one(tmp_path: Path) -> None:
    capture = write_capture(tmp_path)
    with web_server((200, {})) as (url, seen):
        send(to(url, secret="s3cret"), [capture])
        send(to(url), [capture])
    assert seen[0]["Authorization"] == "Bearer s3cret"
    assert "Authorization" not in seen[1]


def test_a_file_that_is_no_dicom_is_refused_and_the_others_arrive(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(b"not DICOM")
    with web_server((200, {})) as (url, _):
        outcomes = send(to(url), [broken, write_capture(tmp_path)])
    assert statuses(outcomes) == [Status.REFUSED, Status.ACCEPTED]


def test_a_server_that_is_away_or_silent_is_unreachable_in_time(tmp_path: Path) -> None:
    capture = write_capture(tmp_path)
    begun = time.monotonic()
    with pytest.raises(PeerUnreachable, match="cloud"):
        send(to(f"http://127.0.0.1:{free_port()}"), [capture])
    with silent_peer() as port, pytest.raises(PeerUnreachable, match="Timeout"):
        send(to(f"http://127.0.0.1:{port}", timeout_s=1.0), [capture])
    with pytest.raises(PeerUnreachable):
        send(to("http://no-such-host.invalid"), [capture])
    assert time.monotonic() - begun < 8.0


def test_a_server_that_falls_silent_in_the_middle_of_a_large_object_is_unreachable_in_time(tmp_path: Path) -> None:
    large = write_capture(tmp_path, pixels=4096)
    begun = time.monotonic()
    with silent_peer() as port, pytest.raises(PeerUnreachable):
        send(to(f"http://127.0.0.1:{port}", timeout_s=1.0), [large])
    assert time.monotonic() - begun < 8.0


def test_https_reaches_a_trusted_server_and_sends_nothing_to_another(certificates: Path, tmp_path: Path) -> None:
    capture = write_capture(tmp_path)
    server = server_context(certificates / "peer.pem", certificates / "peer.key")
    with web_server((200, {}), tls=server) as (url, seen):
        assert statuses(send(to(url), [capture], tls=client_context(ca=certificates / "ca.pem"))) == [Status.ACCEPTED]
        for stranger in (None, client_context(ca=certificates / "other.pem")):
            with pytest.raises(PeerUnreachable) as caught:
                send(to(url), [capture], tls=stranger)
            assert "certificate" in caught.value.hint
    assert len(seen) == 1
