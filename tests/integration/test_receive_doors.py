"""Who gets in, and how the others are told (PS3.8 table 9-21)."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.association import Association

from node.receive.doors import Doors, Rejection, plain_address
from node.tls import server_context
from pipeline.core.route import Peer
from tests.support.peers import dcmsend, echoscu, eventually
from tests.support.senders import HOST, Node, association, mr_image, with_options, written

CALLED = "called AE title not recognised"
CALLING = "calling AE title not recognised"


def answer(assoc: Association) -> Any:
    return assoc.acceptor.primitive


@pytest.mark.parametrize(
    ("calling", "called", "reason"),
    [("SENDER", "NOBODY", (1, 1, 7)), ("STRANGER", "LANTERN", (1, 1, 3)), ("sender", "LANTERN", (1, 1, 3))],
)
def test_an_unknown_title_is_rejected_with_the_reason(
    tmp_path: Path, calling: str, called: str, reason: tuple[int, int, int]
) -> None:
    with Node(tmp_path) as node, association(node.port, calling=calling, called=called) as assoc:
        assert assoc.is_rejected
        said = answer(assoc)
        assert (said.result, said.result_source, said.diagnostic) == reason


def test_a_known_title_from_another_address_is_rejected(tmp_path: Path) -> None:
    elsewhere = with_options(peers=(Peer("pacs", "SENDER", "192.0.2.7"),))
    with Node(tmp_path, elsewhere) as node:
        said = echoscu(HOST, node.port)
        assert said.returncode != 0
        assert "Calling AE Title Not Recognized" in said.stdout + said.stderr


def test_a_peer_may_be_named_by_host_name(tmp_path: Path) -> None:
    with Node(tmp_path, with_options(peers=(Peer("pacs", "SENDER", "localhost"),))) as node:
        assert echoscu(HOST, node.port).returncode == 0


def test_each_called_title_of_the_node_is_answered_and_noted(tmp_path: Path) -> None:
    ds = mr_image(16)
    with Node(tmp_path, with_options(ae_titles=("LANTERN", "MAMMO"))) as node:
        for title in ("LANTERN", "MAMMO"):
            path = written(ds, tmp_path / "in")
            assert dcmsend(HOST, node.port, path, called=title).returncode == 0
        assert {r.called_ae for r in node.ledger.receptions(ds.StudyInstanceUID)} == {"LANTERN", "MAMMO"}
        assert len(node.files()) == 1


def test_any_title_may_be_called_when_the_node_is_told_so(tmp_path: Path) -> None:
    with Node(tmp_path, with_options(require_called_ae=False)) as node:
        assert echoscu(HOST, node.port, called="WHATEVER").returncode == 0


def test_anybody_may_call_only_when_the_node_is_told_so(tmp_path: Path) -> None:
    with Node(tmp_path, with_options(peers=(), allow_any_calling_ae=True)) as node:
        assert echoscu(HOST, node.port, calling="STRANGER").returncode == 0


def test_one_association_too_many_is_rejected_for_now(tmp_path: Path) -> None:
    with Node(tmp_path, with_options(max_associations=2)) as node:
        with association(node.port) as one, association(node.port) as two, association(node.port) as three:
            assert one.is_established and two.is_established and three.is_rejected
            said = answer(three)
            # Rejected-transient, presentation related, local limit exceeded.
            assert (said.result, said.result_source, said.diagnostic) == (2, 3, 2)
        eventually(lambda: node.acceptor.associations == 0)
        assert echoscu(HOST, node.port).returncode == 0


def test_ipv6_and_ipv4_callers_are_told_apart_by_address_alone(tmp_path: Path) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with Node(tmp_path, with_options(host="::")) as node, association(node.port, host=HOST) as assoc:
        # The kernel reports ::ffff:127.0.0.1; the list says 127.0.0.1.
        assert assoc.is_established


def test_networks_names_and_addresses_are_all_hosts() -> None:
    def doors(host: str) -> Doors:
        return Doors(frozenset({"A"}), (Peer("p", "PACS", host),))

    assert doors("10.1.0.0/16").refuses("PACS", "A", "10.1.2.3") is None
    assert doors("10.1.0.0/16").refuses("PACS", "A", "10.2.2.3") is Rejection.CALLING_AE_TITLE_NOT_RECOGNIZED
    assert doors("2001:db8::1").refuses("PACS", "A", "2001:db8:0::1") is None
    assert doors("no-such-host.invalid").refuses("PACS", "A", "10.1.2.3") is not None
    assert plain_address("::ffff:10.1.2.3") == "10.1.2.3"
    assert plain_address("fe80::1%eth0") == "fe80::1"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "node.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-days", "1", "-keyout", str(path), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "cert.pem").read_text())
    return path


def test_a_node_with_tls_takes_tls_only_and_a_silent_client_holds_up_nobody(tmp_path: Path, certificate: Path) -> None:
    options = with_options(ssl_context=server_context(certificate), acse_timeout_s=20.0)
    with Node(tmp_path / "node", options) as node, socket.create_connection((HOST, node.port)):
        path = written(mr_image(), tmp_path / "in")
        # storescu, since this dcmsend knows no TLS; -ic: whose certificate it is matters not here.
        from tests.support.peers import storescu

        assert storescu(HOST, node.port, "+tla", "-ic", path).returncode == 0
        assert len(node.files()) == 1
        assert echoscu(HOST, node.port, "-to", "5", "-ta", "5").returncode != 0
