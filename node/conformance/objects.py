"""Chapter 8: what is in created objects, their codes and templates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from node.conformance.document import Block, Paragraph, Section, Table
from node.conformance.model import Attribute, Coded, Created, Module, Objects
from node.conformance.modules import ELSEWHERE

PRESENCE = (
    ("ALWAYS", "present, with a value"),
    ("VNAP", "present; its value may be missing (zero length)"),
    ("ANAP", "not always present; with a value where it is"),
    ("ANAPCV", "not always present; its value may be missing"),
    ("ANAPEV", "not always present; without a value where it is"),
    ("EMPTY", "present, without a value"),
    ("FIXED", "always the value that is given"),
    ("COPY", "as in the images that the object is about"),
    ("AUTO", "made by the software"),
)

HOW = (
    "The tables list what the encoders wrote when this statement was made, of made-up findings with all that pipelines "
    "may say and with as little as they may, on made-up images with all patient and study attributes and with none but "
    "the required. Attributes in sequences are marked with > and are present relative to the items of their sequence; "
    "a sequence that holds codes alone is one line (Code Sequence Macro: Code Value, Coding Scheme Designator, Code "
    "Meaning). Content items of reports are listed once, at whatever depth they lie. Modules are those of PS3.3; an "
    "attribute of several is listed under the first."
)


def annexes(objects: Objects) -> Iterator[Section]:
    """8 to 8.6."""
    yield Section("8", "Annexes")
    yield Section("8.1", "IOD Contents", (Paragraph(HOW), _words(), _created(objects)))
    yield Section("8.1.1", "All Created SOP Instances", tuple(_modules("8.1.1", objects.common)))
    for n, created in enumerate(objects.created, 2):
        yield from _iod(f"8.1.{n}", created)
    last = len(objects.created) + 2
    received = (
        "Received objects are stored byte for byte; nothing in them is changed, but for a segmentation or structure "
        "set made here that comes back edited under its old SOP Instance UID: the copy that is kept gets a UID of its "
        "own, and the old one is noted in its Original Attributes Sequence (0400,0561)."
    )
    yield Section(f"8.1.{last}", "Coerced and Modified Attributes", (Paragraph(received),))
    yield _private(objects)
    yield from _coded(objects)
    consistency = (
        "The software displays nothing. Grayscale Softcopy Presentation States say how they are to be displayed."
    )
    yield Section("8.4", "Grayscale Image Consistency", (Paragraph(consistency),))
    yield Section("8.5", "Standard Extended, Specialized and Private SOP Classes", tuple(_extended(objects)))
    yield Section("8.6", "Private Transfer Syntaxes", (Paragraph("None."),))


def _words() -> Table:
    return Table("Table 8.1-1. Presence and source", ("Word", "Meaning"), PRESENCE)


def _created(objects: Objects) -> Table:
    rows = tuple(
        (
            c.sop_class.name,
            c.sop_class.uid,
            ", ".join(c.modalities),
            ", ".join(c.makers),
            ", ".join(s.name for s in c.syntaxes),
        )
        for c in objects.created
    )
    heads = ("SOP Class", "UID", "Modality", "Made by pipelines", "Transfer syntax as made")
    return Table("Table 8.1-2. Created SOP Classes", heads, rows)


def _iod(number: str, created: Created) -> Iterator[Section]:
    name = created.sop_class.name.removesuffix(" Storage")
    templates = ", ".join(f"TID {t}" for t in created.templates)
    said = f"SOP Class UID {created.sop_class.uid}." + (f" Templates: {templates} (PS3.16)." if templates else "")
    yield Section(number, name, (Paragraph(said), *_modules(number, created.modules)))


def _modules(number: str, modules: Iterable[Module]) -> Iterator[Block]:
    heads = ("Tag", "Attribute", "VR", "Presence", "Source", "Value")
    for n, module in enumerate(modules, 1):
        usage = f" ({module.ie}, {module.usage})" if module.ie else ""
        rows = tuple(map(_row, module.attributes))
        yield Table(f"Table {number}-{n}. {module.name}{usage}", heads, rows)


def _row(a: Attribute) -> tuple[str, ...]:
    macro = " (Code Sequence Macro)" if a.coded else ""
    return (a.tag, f"{'>' * a.depth}{a.name}{macro}", a.vr, a.presence, a.source, a.value)


def _private(objects: Objects) -> Section:
    none = "Created objects have no private attributes."
    said = f"Private attributes: {', '.join(objects.private_attributes)}." if objects.private_attributes else none
    return Section("8.2", "Data Dictionary of Private Attributes", (Paragraph(said),))


def _coded(objects: Objects) -> Iterator[Section]:
    yield Section("8.3", "Coded Terminology and Templates")
    rows = tuple((f"TID {t}", name) for t, name in _templates(objects))
    templates = Table("Table 8.3.1-1. Templates that created reports name", ("Template", "Used in"), rows)
    yield Section("8.3.1", "Template Specifications", (templates,))
    said = "Codes that made-up findings led to; site, type and category of a finding are those of the pipeline."
    yield Section("8.3.2", "Codes", (Paragraph(said), _codes("Table 8.3.2-1. Codes used", objects.codes)))
    own = (
        "Coding scheme 99LANTERN, named in Coding Scheme Identification Sequence (0008,0110). A structure at risk "
        "without a code here gets one whose value and meaning are its name."
    )
    private = _codes("Table 8.3.3-1. Private codes", objects.private_codes)
    yield Section("8.3.3", "Private Code Definitions", (Paragraph(own), private))


def _templates(objects: Objects) -> list[tuple[str, str]]:
    used: dict[str, list[str]] = {}
    for created in objects.created:
        for template in created.templates:
            used.setdefault(template, []).append(created.sop_class.name)
    return [(template, ", ".join(names)) for template, names in sorted(used.items())]


def _codes(caption: str, codes: Iterable[Coded]) -> Table:
    rows = tuple((c.value, c.scheme, c.meaning, _classes(c)) for c in codes)
    return Table(caption, ("Code value", "Coding scheme", "Code meaning", "Seen in"), rows)


def _classes(code: Coded) -> str:
    return ", ".join(name.removesuffix(" Storage") for name in code.used) or "where it applies"


def _extended(objects: Objects) -> Iterator[Block]:
    beside = [
        (c.sop_class.name, a) for c in objects.created for m in c.modules if m.name == ELSEWHERE for a in m.attributes
    ]
    beside += [("All", a) for m in objects.common if m.name == ELSEWHERE for a in m.attributes]
    yield Paragraph(
        "No specialized and no private SOP Class is used. These attributes lie beside the modules of an IOD:"
    )
    rows = tuple((name, a.tag, a.name, a.source) for name, a in beside)
    yield Table("Table 8.5-1. Standard extended SOP Classes", ("SOP Class", "Tag", "Attribute", "Source"), rows)
