"""The conformance statement is what the node does: real associations, real objects, both renderings."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, UID_dictionary
from pynetdicom import AE, build_context, build_role
from pynetdicom import sop_class as sop
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from typer.testing import CliRunner

from config.load import load
from node import scu, sent
from node.ask import asking
from node.cli import app
from node.conformance.chapters import document
from node.conformance.document import Document
from node.conformance.gather import gather, rejections
from node.conformance.html import html
from node.conformance.markdown import markdown
from node.conformance.model import Context, Function, Statement
from node.conformance.watch import shown
from node.priors import PriorSeries, PriorStudy
from node.probe import probe
from node.retrieve_get import CGet
from node.retrieve_move import CMove
from node.wiring import acceptor_options
from pipeline.core.errors import PeerUnreachable
from pipeline.core.route import Destination, Peer
from pipeline.encode import Encoded, Part, to_bytes
from pipeline.encode.modules import PATIENT_AND_STUDY
from tests.support.conformed import Real, objects, stated_attributes
from tests.support.documents import Page, markdown_tables
from tests.support.overheard import Proposals, overheard
from tests.support.peers import StoreScp, eventually
from tests.support.senders import HOST, Node, association

CONFIG = """
[node]
ae_title = "CONFORM"
host = "127.0.0.1"
port = 11987
max_pdu_bytes = 65536
max_associations = 2

[[peer]]
name = "pacs"
ae_title = "THEPACS"
host = "127.0.0.1"
port = 10104
retrieve = "get"

[[destination]]
name = "archive"
ae_title = "ARCHIVE"
host = "192.0.2.77"
port = 10204

[[destination]]
name = "web"
stow_url = "https://someone:SECRETWORD@web.example.org/dicom-web?key=SECRETKEY"
token = "SECRETTOKEN"

[tls]
certificate = "secret-place/node.pem"
key = "secret-place/node.key"
ca = "secret-place/ca.pem"

[[route]]
name = "heads"
called_ae = "CONFORM_SRS"
pipeline = "srs"
destinations = ["archive", "web"]
verify_with = "pacs"
priors_from = "pacs"
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conformance")
    (folder / "secret-place").mkdir()
    for name in ("node.pem", "node.key", "ca.pem"):
        (folder / "secret-place" / name).write_text("not looked at")
    path = folder / "conform.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def statement(config: Path) -> Statement:
    return gather(load(config, {}))


@pytest.fixture(scope="module")
def told(statement: Statement) -> Document:
    return document(statement)


@pytest.fixture
def node(config: Path, tmp_path: Path) -> Iterator[Node]:
    """The acceptor with the options that the wiring makes of the configuration, but for the port."""
    with Node(tmp_path, replace(acceptor_options(load(config, {})), port=0)) as running:
        yield running


def function(statement: Statement, key: str) -> Function:
    return next(f for f in statement.functions if f.key == key)


def pairs(contexts: tuple[Context, ...]) -> set[tuple[str, str]]:
    return {(c.abstract.uid, s.uid) for c in contexts for s in c.syntaxes}


# What is accepted ----------------------------------------------------------------------------------------------------

CLASSES = sorted({str(uid) for uid in vars(sop).values() if isinstance(uid, UID)})
ECHO = (sop.Verification, (ExplicitVRLittleEndian,))
SYNTAXES = sorted(uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax")


def test_every_sop_class_and_transfer_syntax_is_accepted_if_and_only_if_it_is_stated(
    statement: Statement, config: Path, tmp_path: Path
) -> None:
    """All that pynetdicom and pydicom know: stated classes in each syntax by itself, others in all syntaxes at once.

    With C-ECHO, so that there always is something to accept.
    """
    stated = pairs(function(statement, "receive").contexts)
    known = {c for c, _ in stated}
    wanted = [(c, (s,)) for c in sorted(known) for s in SYNTAXES] + [(c, SYNTAXES) for c in CLASSES if c not in known]
    assert len(known) > 30 and len(wanted) > 2000 and len(CLASSES) > 200
    taken: set[tuple[str, str]] = set()
    options = replace(acceptor_options(load(config, {})), port=0, max_associations=64)
    with Node(tmp_path, options) as node:
        for first in range(0, len(wanted), 127):
            contexts = [ECHO, *wanted[first : first + 127]]
            with association(node.port, contexts, calling="THEPACS", called="CONFORM") as assoc:
                assert assoc.is_established
                taken |= {(str(c.abstract_syntax), str(c.transfer_syntax[0])) for c in assoc.accepted_contexts}
    assert taken == stated


def test_the_first_supported_syntax_of_a_context_is_chosen_whatever_the_order(statement: Statement, node: Node) -> None:
    context = next(c for c in function(statement, "receive").contexts if c.abstract.uid == MRImageStorage)
    syntaxes = tuple(s.uid for s in context.syntaxes)
    assert len(syntaxes) > 4
    for order in (syntaxes, syntaxes[::-1]):
        with association(node.port, [(MRImageStorage, order)], calling="THEPACS", called="CONFORM") as assoc:
            assert assoc.accepted_contexts[0].transfer_syntax == [order[0]]
        eventually(lambda: node.acceptor.associations == 0)


def test_pdu_length_names_and_what_is_not_negotiated_are_as_stated(statement: Statement, node: Node) -> None:
    window, extended = AsynchronousOperationsWindowNegotiation(), SOPClassExtendedNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    extended.sop_class_uid, extended.service_class_application_information = MRImageStorage, b"\x02\x00"
    person = UserIdentityNegotiation()
    person.user_identity_type, person.primary_field, person.positive_response_requested = 1, b"somebody", True
    asked = [window, extended, person, build_role(MRImageStorage, scu_role=True, scp_role=True)]
    ae = AE("THEPACS")
    assoc = ae.associate(HOST, node.port, [build_context(MRImageStorage)], ae_title="CONFORM", ext_neg=asked)
    assert assoc.is_established
    acceptor = assoc.acceptor
    assoc.release()
    stated = function(statement, "receive")
    assert acceptor.maximum_length == stated.max_pdu_bytes == 65536
    assert acceptor.implementation_class_uid == statement.product.implementation_class_uid
    assert acceptor.implementation_version_name == statement.product.implementation_version_name
    assert (acceptor.asynchronous_operations, acceptor.user_identity) == ((1, 1), None)
    assert (acceptor.sop_class_extended, acceptor.role_selection) == ({}, {})
    assert {c.extended for c in stated.contexts} == {"none"}


def test_associations_are_rejected_for_the_stated_reasons(statement: Statement, node: Node) -> None:
    def answered(calling: str, called: str) -> tuple[int, int, int]:
        with association(node.port, calling=calling, called=called) as assoc:
            said = assoc.acceptor.primitive
            return (said.result, said.result_source, said.diagnostic)

    stated = {(r.result, r.source, r.diagnostic): r.words for r in statement.rejections}
    assert stated[answered("THEPACS", "NOBODY")] == "called AE title not recognized"
    assert stated[answered("STRANGER", "CONFORM")] == "calling AE title not recognized"
    eventually(lambda: node.acceptor.associations == 0)
    known: dict[str, str] = {"calling": "THEPACS", "called": "CONFORM_SRS"}
    with association(node.port, **known) as one, association(node.port, **known) as two:
        assert one.is_established and two.is_established
        assert stated[answered("THEPACS", "CONFORM")] == "local limit exceeded"


def test_who_lets_anybody_in_does_not_state_that_strangers_are_rejected(config: Path) -> None:
    settings = load(config, {})
    open_to_all = settings.node.model_copy(update={"allow_any_calling_ae": True, "require_called_ae": False})
    words = {r.words for r in rejections(settings.model_copy(update={"node": open_to_all}))}
    assert words == {"no reason given", "local limit exceeded"}


# What is proposed ----------------------------------------------------------------------------------------------------


def same(heard: Proposals, stated: Function, statement: Statement) -> None:
    assert heard.heard.wait(5.0)
    assert heard.contexts == pairs(stated.contexts)
    assert heard.scp == {c.abstract.uid for c in stated.contexts if c.role == "SCP"}
    product = statement.product
    assert heard.names == {(product.implementation_class_uid, product.implementation_version_name)}
    assert heard.pdu_bytes == {stated.max_pdu_bytes}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Encoded, ...]:
    """Objects of findings that are not those the statement was made with."""
    return tuple(objects(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="module")
def files(made: tuple[Encoded, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One file of each SOP Class."""
    folder = tmp_path_factory.mktemp("objects")
    found: dict[str, Path] = {}
    for encoded in made:
        path = folder / f"{encoded.dataset.SOPInstanceUID}.dcm"
        path.write_bytes(to_bytes(encoded.dataset))
        found.setdefault(str(encoded.dataset.SOPClassUID), path)
    return found


def test_results_are_proposed_in_the_stated_contexts(statement: Statement, files: dict[str, Path]) -> None:
    with overheard() as heard:
        peer = Destination("peer", "PEER", HOST, heard.port)
        outcomes = scu.send(peer, list(files.values()), calling_ae="CONFORM")
        assert {o.status for o in outcomes} == {scu.Status.REFUSED}
    same(heard, function(statement, "deliver"), statement)


def test_an_echo_is_proposed_in_the_stated_contexts(statement: Statement) -> None:
    with overheard() as heard:
        scu.echo(Peer("peer", "PEER", HOST, heard.port), calling_ae="CONFORM")
    same(heard, function(statement, "verify"), statement)


def test_what_a_destination_is_asked_to_take_is_proposed_in_the_stated_contexts(statement: Statement) -> None:
    with overheard() as heard:
        probe(Destination("peer", "PEER", HOST, heard.port), calling_ae="CONFORM")
    same(heard, function(statement, "probe"), statement)


def test_a_question_is_proposed_in_the_stated_contexts(statement: Statement) -> None:
    with overheard() as heard, pytest.raises(PeerUnreachable, match="does not offer C-FIND"), ExitStack() as stack:
        stack.enter_context(asking(Peer("peer", "PEER", HOST, heard.port), calling_ae="CONFORM", timeout_s=5.0))
    same(heard, function(statement, "find"), statement)


EARLIER = PriorStudy("2.25.1", "20250101", "", "", (PriorSeries("2.25.2", "MR", 1),))


@pytest.mark.parametrize("way", ["get", "move"])
def test_a_retrieval_is_proposed_in_the_stated_contexts(
    statement: Statement, node: Node, tmp_path: Path, way: str
) -> None:
    got = CGet("CONFORM", None, lambda: None)
    retriever = got if way == "get" else CMove("CONFORM", None, node.archive, node.ledger)
    with overheard() as heard, pytest.raises(PeerUnreachable, match="does not offer"):
        retriever.fetch(Peer("peer", "PEER", HOST, heard.port), EARLIER, tmp_path, lambda: None)
    same(heard, function(statement, way), statement)


@pytest.mark.real("dcmtk")
def test_dcmtk_takes_every_stated_object_and_hears_the_stated_names(
    statement: Statement, files: dict[str, Path], tmp_path: Path
) -> None:
    # -pm: it does not know the SOP Class of label maps
    with StoreScp(tmp_path, "-d", "+xa", "-pm") as scp:
        to = Destination("scp", scp.ae_title, HOST, scp.port)
        outcomes = scu.send(to, list(files.values()), calling_ae="CONFORM")
        assert [o.detail for o in outcomes if o.status is not scu.Status.ACCEPTED] == []
        said = eventually(lambda: "Release" in scp.log() and scp.log())
    for words, value in (
        ("Their Implementation Class UID", statement.product.implementation_class_uid),
        ("Their Implementation Version Name", statement.product.implementation_version_name),
        ("Their Max PDU Receive Size", function(statement, "deliver").max_pdu_bytes),
    ):
        assert re.search(rf"{words}: +{value}\n", said), words


# What is created -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(statement: Statement, made: tuple[Encoded, ...]) -> dict[str, Real]:
    found: dict[str, Real] = defaultdict(Real)
    for encoded in made:
        uid = str(encoded.dataset.SOPClassUID)
        found[uid].look(encoded.dataset, stated_attributes(statement, uid))
    return found


def test_the_stated_sop_classes_are_those_of_real_objects(statement: Statement, real: dict[str, Real]) -> None:
    assert {c.sop_class.uid for c in statement.objects.created} == set(real)


def test_destinations_are_asked_about_every_sop_class_that_is_created(statement: Statement) -> None:
    assert {s.sop_class_uid for s in sent.ALL} == {c.sop_class.uid for c in statement.objects.created}


def test_every_part_that_there_is_was_watched(statement: Statement) -> None:
    """A new part needs a place in node/conformance/made_up_heads.py or made_up_marks.py."""
    assert {part for c in statement.objects.created for part in c.parts} == {part.value for part in Part}


def test_every_attribute_of_real_objects_is_stated(statement: Statement, real: dict[str, Real]) -> None:
    unknown = {
        (UID(uid).name, path)
        for uid, r in real.items()
        for path in r.elements
        if path not in stated_attributes(statement, uid)
    }
    assert unknown == set()


def test_every_stated_attribute_is_in_real_objects(statement: Statement, real: dict[str, Real]) -> None:
    """But for patient and study attributes, which are copied by one function where the images have them."""
    missing = {
        (UID(uid).name, path)
        for uid, r in real.items()
        for path in stated_attributes(statement, uid)
        if path not in r.elements and path[0] not in PATIENT_AND_STUDY
    }
    assert missing == set()


def test_presence_and_fixed_values_hold_for_real_objects(statement: Statement, real: dict[str, Real]) -> None:
    wrong = set()
    for uid, r in real.items():
        for path, attribute in stated_attributes(statement, uid).items():
            elements = r.elements.get(path, [])
            present, filled = len(elements), sum(not e.is_empty for e in elements)
            possible = {
                "ALWAYS": present == filled == r.items[path[:-1]],
                "VNAP": present == r.items[path[:-1]],
                "EMPTY": present == r.items[path[:-1]] and filled == 0,
                "ANAP": present == filled,
                "ANAPCV": True,
                "ANAPEV": filled == 0,
            }
            if not possible[attribute.presence]:
                wrong.add((UID(uid).name, path, attribute.presence))
            if attribute.source == "FIXED" and attribute.value:
                values = {shown(e) for e in elements} - {
                    attribute.value.split()[0] if attribute.vr == "UI" else attribute.value
                }
                wrong |= {(UID(uid).name, path, v) for v in values}
    assert wrong == set()


def test_every_code_of_ours_in_real_objects_is_stated(statement: Statement, made: tuple[Encoded, ...]) -> None:
    stated = {(c.value, c.meaning) for c in statement.objects.private_codes}
    items = (item for e in made for s in e.dataset.iterall() if s.VR == "SQ" for item in s.value if "CodeValue" in item)
    used = {(str(i.CodeValue), str(i.CodeMeaning)) for i in items if i.CodingSchemeDesignator == "99LANTERN"}
    assert len(used) > 20
    assert used - stated == set()
    assert statement.objects.private_attributes == ()


# How it is told ------------------------------------------------------------------------------------------------------


def test_markdown_and_html_carry_the_same_tables(told: Document) -> None:
    in_markdown, page = markdown_tables(markdown(told)), Page(html(told))
    in_markdown[0] = in_markdown[0][1:]  # the cover: a table without heads has empty ones there
    assert in_markdown == page.tables
    assert len(page.tables) == len(told.tables) + 1
    assert [[list(t.heads), *map(list, t.rows)] for t in told.tables] == page.tables[1:]


def test_the_page_needs_nothing_else_and_its_links_lead_somewhere(told: Document) -> None:
    text = html(told)
    page = Page(text)
    assert page.loads == [] and "@import" not in text and "url(http" not in text
    assert len(set(page.ids)) == len(page.ids)
    assert {link for link in page.links if not link.startswith("#")} == set()
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "@media print" in text and "@page" in text


def test_the_chapters_are_those_of_the_standard(told: Document) -> None:
    chapters = [(s.number, s.title) for s in told.sections if s.level == 1]
    assert chapters == [
        ("1", "Conformance Statement Overview"),
        ("2", "Table of Contents"),
        ("3", "Introduction"),
        ("4", "Networking"),
        ("5", "Media Interchange"),
        ("6", "Support of Character Sets"),
        ("7", "Security"),
        ("8", "Annexes"),
    ]


def test_titles_and_ports_of_the_configuration_appear_and_no_secret_does(statement: Statement, told: Document) -> None:
    for text in (markdown(told), html(told), json.dumps(asdict(statement))):
        for shown_to_all in ("CONFORM", "CONFORM_SRS", "11987", "THEPACS", "ARCHIVE", "10204", "web.example.org"):
            assert shown_to_all in text
        for secret in ("SECRET", "someone", "secret-place", "node.key", "ca.pem"):
            assert secret not in text


def test_every_code_is_judged_as_stated(statement: Statement) -> None:
    stated = {a.meaning: a.codes for a in function(statement, "deliver").answers}

    def among(codes: str, code: int) -> bool:
        parts = (p.split("-") for p in codes.split(", "))
        return any(int(p[0], 16) <= code <= int(p[-1], 16) for p in parts)

    for code in range(0x10000):
        named = [m for m, codes in stated.items() if codes != "all others" and among(codes, code)]
        judged = scu.judge(code).value.capitalize()
        assert (named or ["Refused"]) == ["Not this SOP Class" if scu.answered("", code).unwanted else judged]
        assert not scu.answered("", code).unwanted or judged == "Refused"


def test_the_command_writes_one_form_at_a_time_and_knows_what_it_was_asked(config: Path) -> None:
    run = CliRunner()
    both = run.invoke(app, ["conformance", "--html", "--json", "--config", str(config)])
    assert both.exit_code == 2 and "not both" in both.output
    helped = run.invoke(app, ["conformance", "--help"])
    assert helped.exit_code == 0
    for said in ("lantern conformance", "conformance.md", "Exit codes"):
        assert said in helped.output
