"""Facts -> the document: chapters in the order of PS3.2 Annex A, without its letter."""

from __future__ import annotations

from collections.abc import Iterator

from node.conformance.document import Document, Paragraph, Section, Table
from node.conformance.model import Context, Statement
from node.conformance.network import networking
from node.conformance.objects import annexes
from pipeline.findings import RESEARCH_USE_ONLY

ABBREVIATIONS = (
    ("AE", "Application Entity"),
    ("IOD", "Information Object Definition"),
    ("PACS", "Picture Archiving and Communication System"),
    ("PDU", "Protocol Data Unit"),
    ("SCP, SCU", "Service Class Provider, Service Class User"),
    ("SOP", "Service-Object Pair"),
    ("STOW-RS", "Store Transaction of the Studies Service (PS3.18 10.5)"),
    ("TID", "Template ID (PS3.16)"),
    ("TLS", "Transport Layer Security"),
)

INTENDED = (
    "This statement says what the software does at its DICOM interface, so that those who connect it to other systems "
    "can compare both sides. It is made by the software itself, from the code that negotiates, encodes and judges "
    "status codes, and from the configuration in use. That two statements fit together does not prove that two systems "
    "work together as intended: the tests of whoever connects them do."
)


def document(statement: Statement) -> Document:
    """The whole statement."""
    p = statement.product
    return Document(
        title=f"{p.name} {p.version}: DICOM Conformance Statement",
        warning=f"{RESEARCH_USE_ONLY}.",
        cover=(
            ("Product", f"{p.name}, a DICOM AI node"),
            ("Version", p.version),
            ("Maker", p.maker),
            ("AE title", ", ".join(statement.local.ae_titles)),
            ("Configuration", p.configuration),
            ("Date of this statement", p.date),
        ),
        sections=tuple(_sections(statement)),
    )


def _sections(s: Statement) -> Iterator[Section]:
    yield Section("1", "Conformance Statement Overview", (Paragraph(_overview(s)), _network_services(s), _media()))
    yield Section("2", "Table of Contents", (Paragraph("The contents stand at the beginning of this document."),))
    yield from _introduction(s)
    yield from networking(s)
    yield Section("5", "Media Interchange", (Paragraph("No media storage application profile is supported."),))
    yield Section("6", "Support of Character Sets", (Paragraph(_character_sets()), _known_sets(s)))
    yield from _security(s)
    yield from annexes(s.objects)


def _overview(s: Statement) -> str:
    made = ", ".join(c.sop_class.name.removesuffix(" Storage") for c in s.objects.created)
    return (
        f"{s.product.name} receives images, analyses them by the pipelines that its configuration routes them to, and "
        f"sends what was found as DICOM objects: {made}. It asks a PACS, where it is configured to, how many images a "
        "study has and for earlier studies of the patient. Networking is by DIMSE, with or without TLS, and by STOW-RS."
    )


def _network_services(s: Statement) -> Table:
    scu, scp = _users(s), _providers(s)
    names = {c.abstract.uid: c.abstract.name for f in s.functions for c in f.contexts}
    rows = [
        (_category(name), name, uid, _yes(uid in scu), scp.get(uid, "No"))
        for uid, name in sorted(names.items(), key=lambda item: (_category(item[1]), item[1]))
    ]
    heads = ("Service", "SOP Class", "UID", "User of service (SCU)", "Provider of service (SCP)")
    return Table("Table 1-1. Network services", heads, tuple(rows))


def _users(s: Statement) -> set[str]:
    return {c.abstract.uid for f in s.functions for c in f.contexts if c.role == "SCU"}


def _providers(s: Statement) -> dict[str, str]:
    """Yes where it accepts such associations; otherwise on those that it opens itself for C-GET."""
    own = {c.abstract.uid: "Yes" for f in s.functions if not f.initiates for c in f.contexts}
    return {**{c.abstract.uid: "For C-GET" for c in _by_get(s)}, **own}


def _by_get(s: Statement) -> Iterator[Context]:
    yield from (c for f in s.functions if f.initiates for c in f.contexts if c.role == "SCP")


def _yes(holds: bool) -> str:
    return "Yes" if holds else "No"


def _category(name: str) -> str:
    if name.startswith("Verification"):
        return "Verification"
    return "Query/Retrieve" if "Query/Retrieve" in name else "Transfer"


def _media() -> Table:
    heads = ("Media storage application profile", "Write files", "Read files")
    return Table("Table 1-2. Media services", heads, (("None", "No", "No"),))


def _introduction(s: Statement) -> Iterator[Section]:
    p = s.product
    yield Section("3", "Introduction")
    heads = ("Version", "Date", "What this statement is made from")
    yield Section(
        "3.1", "Revision History", (Table("Table 3.1-1. Revision", heads, ((p.version, p.date, p.configuration),)),)
    )
    audience = "Those who connect the software to other systems: PACS administrators, integrators, test staff, vendors."
    yield Section("3.2", "Audience", (Paragraph(audience),))
    yield Section("3.3", "Remarks", (Paragraph(INTENDED), Paragraph(f"{RESEARCH_USE_ONLY}.")))
    abbreviations = Table("Table 3.4-1. Abbreviations", ("Term", "Meaning"), ABBREVIATIONS)
    yield Section("3.4", "Terms and Abbreviations", (abbreviations,))
    reference = (
        "NEMA PS3 / ISO 12052, Digital Imaging and Communications in Medicine (DICOM) Standard, PS3.2 to PS3.18."
    )
    yield Section("3.5", "References", (Paragraph(reference),))


def _character_sets() -> str:
    return (
        "Created objects have the Specific Character Set (0008,0005) of the images that they are about, or none where "
        "these have none; patient and study attributes are copied as they stand, and all text of our own is ASCII, "
        "which every character set can carry. C-FIND identifiers are sent in ISO_IR 192 where a key is not ASCII, else "
        "without a character set. Received objects are stored byte for byte in whatever character set they have; their "
        "headers are read in those listed here."
    )


def _known_sets(s: Statement) -> Table:
    rows = tuple((name,) for name in s.character_sets)
    return Table("Table 6-1. Character sets of received headers", ("Defined term",), rows)


def _security(s: Statement) -> Iterator[Section]:
    secure = s.security
    yield Section("7", "Security")
    profiles = (
        "TLS is used where it is configured, by port, peer and destination, as in the BCP 195 TLS Secure Transport "
        f"Connection Profiles (PS3.15 B.9 and B.10): versions {secure.lowest} to {secure.highest}, forward secrecy and "
        "authenticated encryption only. No digital signatures are made or checked; objects are not de-identified."
    )
    suites = Table("Table 7.1-1. Cipher suites", ("Cipher suite", "Defined for"), secure.suites)
    yield Section("7.1", "Security Profiles", (Paragraph(profiles), suites))
    local = s.local
    titles = "must be one of the node's" if local.requires_called else "is not looked at"
    callers = "anybody may call" if local.any_calling else "only configured peers may call, each from its own address"
    rows = (
        ("Associations that others open", secure.incoming),
        ("Associations and requests that the node opens", secure.outgoing),
        ("Called AE title", titles),
        ("Calling AE title and address", callers),
        ("User identity negotiation", "none; what a requestor offers is passed over"),
    )
    yield Section("7.2", "Association Level Security", (Table("Table 7.2-1. Who gets in", ("What", "How"), rows),))
    logs = "Logs hold UIDs and job numbers, and neither names nor any other values of patients."
    yield Section("7.3", "Application Level Security", (Paragraph(logs),))
