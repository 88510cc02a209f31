"""What a conformance statement knows: facts, gathered from the running code; how they are told is for others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """A UID and its name in the standard."""

    uid: str
    name: str


@dataclass(frozen=True, slots=True)
class Product:
    """What this is about.

    maker, name, version, implementation_class_uid, implementation_version_name: as associations and files have them.
    date: of the statement, YYYY-MM-DD. configuration: what it was made with, in words and without a path.
    """

    maker: str
    name: str
    version: str
    implementation_class_uid: str
    implementation_version_name: str
    date: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Context:
    """One presentation context. extended: what is negotiated beside it, such as the role of SCP."""

    abstract: Term
    syntaxes: tuple[Term, ...]
    role: str
    extended: str = "none"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status code, or several alike: what it means, and what becomes of the object or question then."""

    codes: str
    meaning: str
    behaviour: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An A-ASSOCIATE-RJ: result, source and diagnostic (PS3.8 table 9-21)."""

    result: int
    source: int
    diagnostic: int
    words: str
    when: str


@dataclass(frozen=True, slots=True)
class Question:
    """The keys of one kind of C-FIND. universal: left empty, for the answer to fill in; matched: with a value."""

    purpose: str
    level: str
    matched: tuple[str, ...]
    returned: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the application entity: what it does, and what it negotiates.

    key:             "receive", "deliver", "find", …; name: its heading.
    contexts:        accepted where `initiates` is False, else proposed.
    max_pdu_bytes:   the longest PDU that it takes.
    associations:    at once, in words.
    limits:          (what, how long) of its patience.
    answers:         returned where it is an SCP, else how those of peers are taken.
    """

    key: str
    name: str
    activity: str
    description: str
    initiates: bool
    contexts: tuple[Context, ...]
    max_pdu_bytes: int
    associations: str
    limits: tuple[tuple[str, str], ...] = ()
    answers: tuple[Answer, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Web:
    """STOW-RS as a user agent (PS3.18 10.5)."""

    media: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]
    limits: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Local:
    """Where the node listens and as whom; the first title is its own, also as a caller."""

    ae_titles: tuple[str, ...]
    host: str
    port: int
    tls: bool
    requires_called: bool
    any_calling: bool


@dataclass(frozen=True, slots=True)
class Remote:
    """A system that the configuration names. uses: what for."""

    name: str
    ae_title: str
    address: str
    port: str
    tls: bool
    uses: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One configurable value."""

    key: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Security:
    """TLS: versions and cipher suites as the library offers them with our settings."""

    lowest: str
    highest: str
    suites: tuple[tuple[str, str], ...]
    incoming: str
    outgoing: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a created object. depth: how many sequences it lies in; presence, source: PS3.2 A.8.1.1."""

    tag: str
    name: str
    keyword: str
    vr: str
    depth: int
    path: tuple[str, ...]
    presence: str
    source: str
    value: str = ""
    coded: bool = False


@dataclass(frozen=True, slots=True)
class Module:
    """A module of an IOD (PS3.3 annex A) with what is in it."""

    name: str
    ie: str
    usage: str
    attributes: tuple[Attribute, ...]


@dataclass(frozen=True, slots=True)
class Created:
    """A SOP Class that objects are made of. parts: which objects those are; makers: pipelines that lead to them."""

    sop_class: Term
    parts: tuple[str, ...]
    modalities: tuple[str, ...]
    makers: tuple[str, ...]
    syntaxes: tuple[Term, ...]
    templates: tuple[str, ...]
    modules: tuple[Module, ...]


@dataclass(frozen=True, slots=True)
class Coded:
    """A code, and the SOP Classes whose objects had it."""

    value: str
    scheme: str
    meaning: str
    used: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Objects:
    """All that is created: what all SOP Classes share, and what each has beside that."""

    common: tuple[Module, ...]
    created: tuple[Created, ...]
    codes: tuple[Coded, ...]
    private_codes: tuple[Coded, ...]
    private_attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """Everything."""

    product: Product
    local: Local
    functions: tuple[Function, ...]
    web: Web
    rejections: tuple[Rejected, ...]
    remotes: tuple[Remote, ...]
    settings: tuple[Setting, ...]
    security: Security
    character_sets: tuple[str, ...]
    objects: Objects
