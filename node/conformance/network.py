"""Chapter 4: implementation model, a section for each function of the application entity, interfaces, configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from node.conformance.document import Block, Paragraph, Section, Table
from node.conformance.figure import data_flow
from node.conformance.model import Answer, Context, Function, Statement, Term

CONTEXT_APPLICATION = "1.2.840.10008.3.1.1.1"
"""DICOM Application Context Name (PS3.7 A.2.1)."""


def networking(s: Statement) -> Iterator[Section]:
    """4 to 4.4."""
    yield Section("4", "Networking")
    yield from _model(s)
    yield Section("4.2", "AE Specifications", (Paragraph(_one_entity(s)),))
    for n, function in enumerate(s.functions, 1):
        yield from _function(f"4.2.{n}", function, s)
    yield from _web(f"4.2.{len(s.functions) + 1}", s)
    yield from _interfaces(s)
    yield from _configuration(s)


def _model(s: Statement) -> Iterator[Section]:
    yield Section("4.1", "Implementation Model")
    yield Section("4.1.1", "Application Data Flow", (data_flow(s),))
    rows = tuple((f.name, f.activity, f.description) for f in s.functions)
    heads = ("Function", "Real-world activity", "What it does")
    yield Section("4.1.2", "Functional Definition", (Table("Table 4.1-1. Functions", heads, rows),))
    order = (
        "Images are received; when no more of a study have come for the quiet period of a route, and the PACS, if it "
        "is asked, has no more of them, earlier studies are fetched if the route wants them, the pipeline runs, and "
        "its objects are delivered to each destination of the route. Images that come later start the work again, if "
        "the route says so, and the new objects name those that they supersede."
    )
    yield Section("4.1.3", "Sequencing of Real-World Activities", (Paragraph(order),))


def _one_entity(s: Statement) -> str:
    return (
        f"All functions are those of one application entity. It calls others as {s.local.ae_titles[0]}, and answers to "
        f"{', '.join(s.local.ae_titles)}. Which pipelines run may depend on the title that was called."
    )


def _function(number: str, f: Function, s: Statement) -> Iterator[Section]:
    yield Section(number, f"{f.name} Specification", (Paragraph(f.description), _classes(number, f)))
    yield Section(f"{number}.1", "Association Policies", (_policies(f"{number}.1", f, s),))
    opened = "Association Initiation Policy" if f.initiates else "Association Acceptance Policy"
    yield Section(f"{number}.2", opened, tuple(_contexts(f"{number}.2", f.contexts, proposed=f.initiates)))
    more = [*_questions(number, f), *_answers(number, f)]
    if more:
        yield Section(f"{number}.3", "SOP Specific Conformance", tuple(more))
    if not f.initiates:
        yield Section(f"{number}.4", "Rejection of Associations", tuple(_rejections(f"{number}.4", s)))


def _classes(number: str, f: Function) -> Table:
    roles = {c.abstract: c.role for c in f.contexts}
    rows = tuple((t.name, t.uid, _mark(role == "SCU"), _mark(role == "SCP")) for t, role in roles.items())
    return Table(f"Table {number}-1. SOP Classes", ("SOP Class", "UID", "SCU", "SCP"), rows)


def _mark(holds: bool) -> str:
    return "Yes" if holds else "No"


def _policies(number: str, f: Function, s: Statement) -> Table:
    rows = (
        ("Application context name", CONTEXT_APPLICATION),
        ("Maximum PDU length that is received", f"{f.max_pdu_bytes} bytes"),
        ("Associations at once", f.associations),
        ("Asynchronous operations", "not supported: one operation at a time; the item is neither sent nor answered"),
        ("Implementation class UID", s.product.implementation_class_uid),
        ("Implementation version name", s.product.implementation_version_name),
        ("SOP Class extended negotiation", "none"),
        *((f"Limit: {what}", limit) for what, limit in f.limits),
    )
    return Table(f"Table {number}-1. Association policies", ("Policy", "Value"), rows)


def _contexts(number: str, contexts: tuple[Context, ...], *, proposed: bool) -> Iterator[Block]:
    """Contexts of one SOP Class that differ in nothing but their one transfer syntax each stand in one row."""
    sets = _sets(contexts)
    each = len({c.abstract for c in contexts}) < len(contexts)
    if proposed and each:
        yield Paragraph(
            "Every row stands for as many contexts as its set has transfer syntaxes, with one of them each."
        )
    rows = tuple((c.name, c.uid, sets[syntaxes], role, extended) for c, syntaxes, role, extended in _grouped(contexts))
    word = "proposed" if proposed else "accepted"
    heads = ("Abstract syntax", "UID", "Transfer syntaxes", "Role", "Extended negotiation")
    yield Table(f"Table {number}-1. Presentation contexts {word}", heads, rows)
    listed = tuple((name, t.name, t.uid) for syntaxes, name in sets.items() for t in syntaxes)
    yield Table(f"Table {number}-2. Sets of transfer syntaxes", ("Set", "Transfer syntax", "UID"), listed)


def _grouped(contexts: Iterable[Context]) -> list[tuple[Term, tuple[Term, ...], str, str]]:
    of: dict[tuple[Term, str, str], list[Term]] = {}
    for c in contexts:
        of.setdefault((c.abstract, c.role, c.extended), []).extend(c.syntaxes)
    return [(abstract, tuple(syntaxes), role, extended) for (abstract, role, extended), syntaxes in of.items()]


def _sets(contexts: Iterable[Context]) -> dict[tuple[Term, ...], str]:
    found = dict.fromkeys(syntaxes for _, syntaxes, _, _ in _grouped(contexts))
    return {syntaxes: f"Set {chr(ord('A') + n)} ({len(syntaxes)})" for n, syntaxes in enumerate(found)}


def _answers(number: str, f: Function) -> Iterator[Table]:
    if f.answers:
        caption = "Status codes of peers" if f.initiates else "Status codes returned"
        yield _table_of(f"Table {number}.3-{2 if f.questions else 1}. {caption}", f.answers)


def _table_of(caption: str, answers: Iterable[Answer]) -> Table:
    rows = tuple((a.codes, a.meaning, a.behaviour) for a in answers)
    return Table(caption, ("Status", "Meaning", "Behaviour"), rows)


def _questions(number: str, f: Function) -> Iterator[Table]:
    if f.questions:
        rows = tuple((q.purpose, q.level, ", ".join(q.matched), ", ".join(q.returned)) for q in f.questions)
        heads = ("To learn", "Level", "Matching keys", "Return keys")
        yield Table(f"Table {number}.3-1. Identifiers of C-FIND", heads, rows)


def _rejections(number: str, s: Statement) -> Iterator[Block]:
    yield Paragraph(
        "An association is accepted although none of its presentation contexts is; a context with an unknown abstract "
        "syntax is refused with result 3, one without a supported transfer syntax with result 4."
    )
    rows = tuple((str(r.result), str(r.source), str(r.diagnostic), r.words, r.when) for r in s.rejections)
    heads = ("Result", "Source", "Diagnostic", "Meaning", "When")
    yield Table(f"Table {number}-1. Reasons of A-ASSOCIATE-RJ", heads, rows)


def _web(number: str, s: Statement) -> Iterator[Section]:
    said = (
        "Sends the objects of a job to destinations that are configured with the root of a DICOMweb service, instead "
        "of by C-STORE. Certificates are always verified where the root begins with https."
    )
    request = Table(f"Table {number}-1. Requests", ("What", "Value"), (*s.web.media, *_limits(s)))
    answers = _table_of(f"Table {number}-2. Answers", s.web.answers)
    yield Section(number, "STOW-RS User Agent Specification", (Paragraph(said), request, answers))


def _limits(s: Statement) -> Iterator[tuple[str, str]]:
    yield from ((f"Limit: {what}", limit) for what, limit in s.web.limits)


def _interfaces(s: Statement) -> Iterator[Section]:
    rows = (
        ("Physical", "any that the operating system offers"),
        ("Transport", "TCP/IP, IPv4 and IPv6; DIMSE (PS3.8), with or without TLS; HTTP/1.1 for STOW-RS"),
        ("Listens on", f"{s.local.host}, port {s.local.port}, {'with' if s.local.tls else 'without'} TLS"),
        ("Names", "host names are resolved by the operating system (DNS or its hosts file)"),
    )
    table = Table("Table 4.3-1. Interfaces", ("What", "Value"), rows)
    yield Section("4.3", "Network Interfaces", (table,))


def _configuration(s: Statement) -> Iterator[Section]:
    yield Section("4.4", "Configuration")
    local = tuple((title, _use(n), s.local.host, str(s.local.port)) for n, title in enumerate(s.local.ae_titles))
    heads = ("AE title", "Used for", "Host", "Port")
    mine = Table("Table 4.4.1-1. Local AE titles", heads, local)
    remote = tuple((r.name, r.ae_title, r.address, r.port, _mark(r.tls), r.uses) for r in s.remotes)
    fields = ("Name", "AE title", "Address", "Port", "TLS", "Used for")
    none = Paragraph("No remote system is configured.")
    others = Table("Table 4.4.1-2. Remote systems", fields, remote) if remote else none
    yield Section("4.4.1", "AE Title/Presentation Address Mapping", (mine, others))
    rows = tuple((x.key, x.value, x.meaning) for x in s.settings)
    parameters = Table("Table 4.4.2-1. Parameters", ("Parameter", "Value", "Meaning"), rows)
    yield Section("4.4.2", "Parameters", (parameters,))


def _use(number: int) -> str:
    return "answers, and calls others" if number == 0 else "answers; routes listen to it"
