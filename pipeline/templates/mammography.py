"""The templates of the Mammography CAD SR (PS3.16 Annex A, "Mammography CAD SR IOD Templates").

Each says where its table was read; README.md lists which are complete and which are not. Codes without a scheme are
those of DCM; SRT codes of older editions stand in SCT.
"""

from __future__ import annotations

from pipeline.templates.rows import (
    ANY,
    OUTLINE,
    PERCENT,
    AtLeastOneOf,
    Condition,
    Group,
    ImageHas,
    InLibrary,
    Number,
    ParentIs,
    ParentIsNot,
    Row,
    RowIs,
    Shape,
    Template,
    Values,
    With,
    Without,
)

ROOT = 4000
COMPOSITION, GEOMETRY, QUALITY, NON_LESION = "129715009", "111100", "111101", "111102"
NIPPLE, REGION, CALCIFICATION, CLUSTER, DENSITY = "24142002", "111099", "129770007", "129769006", "129793001"
NOT_ATTEMPTED = "111225"
_UNDRAWN = (COMPOSITION, GEOMETRY, QUALITY)
_LATERALITY = "272741003 SCT"
_LENGTHS = Number(("um", "mm"), 0)

_NEMA = "dicom.nema.org, PS3.16 current"
_DABSOFT = "www.dabsoft.ch/dicom/16"
_AVKROK = "dicom.avkrok.net, PS3.16 2015a"
_PART = "rows, requirements and conditions as PS3.16 2026a is quoted in public code; the rest not seen"
_ANY_NUMBER = frozenset({("HAS PROPERTIES", "NUM")})
_ANY_PROPERTY = frozenset({("HAS PROPERTIES", "NUM"), ("HAS PROPERTIES", "CODE"), ("HAS PROPERTIES", "TEXT")})


def _row(
    number: str,
    place: str,
    what: str,
    name: str = "",
    vm: str = "1 M",
    condition: Condition | None = None,
    values: Values | None = None,
) -> Row:
    """A row as a line of the table. place: ">> HAS PROPERTIES"; vm: "1-n MC"."""
    signs, _, relationship = place.partition(" ")
    many, requirement = vm.split()
    return Row(number, len(signs.strip(".")), relationship, what, name, many == "1-n", requirement, condition, values)


def _template(tid: int, title: str, source: str, *rows: Row, tolerated: frozenset[tuple[str, str]] = frozenset()
              ) -> Template:  # fmt: skip
    return Template(tid, title, source, rows, tolerated)


def _performed(tid: int, title: str, name: str, group: Group) -> Template:
    """TID 4017 and 4018, which are alike. In a Mammography CAD SR images are named by reference only (row 4 or 6)."""
    named = AtLeastOneOf(("4", "6"))
    return _template(
        tid, title, "studfile.net, PS3.16 2020a p. 311; dicom.nema.org, 2024c (rows 4, 6-9 and their constraints)",
        _row("1", ".", "CODE", name, values=group),
        _row("2", "> HAS PROPERTIES", "INCLUDE 4019"),
        _row("4", "> R-HAS PROPERTIES", "IMAGE", "", "1-n MC", named, InLibrary()),
        _row("6", "> HAS PROPERTIES", "SCOORD", "111030", "1-n MC", named),
        _row("8", ">> R-SELECTED FROM", "IMAGE", "", "1 M", None, InLibrary()),
        _row("9", ">", "INCLUDE 4023", "", "1 U"),
    )  # fmt: skip


def _pairs(tid: int, title: str, good: str, bad: str, each: int) -> Template:
    """TID 4015 and 4016: what succeeded, what failed."""
    either = AtLeastOneOf(("1", "3"))
    return _template(
        tid, title, _PART,
        _row("1", ".", "CONTAINER", good, "1 MC", either),
        _row("2", "> CONTAINS", f"INCLUDE {each}", "", "1-n M"),
        _row("3", ".", "CONTAINER", bad, "1 MC", either),
        _row("4", "> CONTAINS", f"INCLUDE {each}", "", "1-n M"),
    )  # fmt: skip


_BODY = AtLeastOneOf(("1", "3", "5", "6", "8", "9"))
_INFERRED = AtLeastOneOf(("I1", "I2", "I3", "I4"))

_ALL = (
    _template(
        4000, "Mammography CAD Document Root", f"{_DABSOFT}/TID_4000 (rows 1-5); {_NEMA}; {_PART}",
        _row("1", ".", "CONTAINER", "111036"),
        _row("2", "> HAS CONCEPT MOD", "INCLUDE 1204"),
        _row("3", "> CONTAINS", "CONTAINER", "111028"),
        _row("4", ">> CONTAINS", "INCLUDE 4020", "", "1-n M"),
        _row("5", "> CONTAINS", "INCLUDE 4001"),
        _row("6", "> CONTAINS", "CODE", "111064", values=Group(6042)),
        _row("7", ">> INFERRED FROM", "INCLUDE 4015", "", "1 MC", ParentIsNot((NOT_ATTEMPTED,))),
        _row("8", "> CONTAINS", "CODE", "111065", values=Group(6042)),
        _row("9", ">> INFERRED FROM", "INCLUDE 4016", "", "1 MC", ParentIsNot((NOT_ATTEMPTED,))),
    ),
    _template(
        1204, "Language of Content Item and Descendants", "highdicom and public code on PS3.16 2026a",
        _row("1", ".", "CODE", "121049", values=Group(5000)),
        _row("2", "> HAS CONCEPT MOD", "CODE", "121046", "1 U"),
    ),
    _template(
        4001, "Mammography CAD Overall Impression/Recommendation", f"{_DABSOFT}/TID_4001",
        _row("1", ".", "CODE", "111017", values=Group(6047)),
        _row("2", "> HAS PROPERTIES", "INCLUDE 4002", "", "1 U"),
        _row("3", "> INFERRED FROM", "INCLUDE 4003", "", "1-n MC", ParentIs(("111242", "111244"), otherwise=True)),
    ),
    _template(
        4002, "Mammography CAD Impression/Recommendation Body",
        f"{_AVKROK}, sect_TID_4002 (rows, VM, conditions); names of rows 1, 3, 5, 6, 10-12 from PS3.16 Annex D",
        _row("1", ".", "CODE", "111005", "1-n MC", _BODY),
        _row("2", "> HAS CONCEPT MOD", "CODE", _LATERALITY, "1 U", None, Group(6022)),
        _row("3", ".", "CODE", "111053", "1-n MC", _BODY, Group(6028)),
        _row("4", "> HAS CONCEPT MOD", "CODE", _LATERALITY, "1 U", None, Group(6022)),
        _row("5", ".", "TEXT", "111033", "1 MC", _BODY),
        _row("6", ".", "CODE", "111023", "1-n MC", _BODY, Group(6030, extensible=True)),
        _row("7", "> HAS CONCEPT MOD", "CODE", _LATERALITY, "1 U", None, Group(6022)),
        _row("8", ".", "NUM", "111055", "1 MC", _BODY, Number(("a", "mo", "wk", "d"), 0, None, whole=True)),
        _row("9", ".", "DATE", "111054", "1 UC", Without(("8",))),
        _row("10", ".", "NUM", "111013", "1 UC", With(("1", "5", "6")), PERCENT),
        _row("11", ".", "INCLUDE 4019", "", "1-n M"),
        _row("12", ".", "NUM", "111047", "1-n U", None, PERCENT),
        _row("13", "> HAS CONCEPT MOD", "CODE", _LATERALITY, "1 U", None, Group(6022)),
    ),
    _template(
        4003, "Mammography CAD Individual Impression/Recommendation", f"{_DABSOFT}/TID_4003",
        _row("1", ".", "CONTAINER", "111034"),
        _row("2", "> HAS CONCEPT MOD", "CODE", "111056", values=Group(6034)),
        _row("3", "> CONTAINS", "INCLUDE 4002", "", "1 U"),
        _row("4", "> CONTAINS", "INCLUDE 4004", "", "1-n MC", AtLeastOneOf(("4", "5"))),
        _row("5", "> CONTAINS", "INCLUDE 4006", "", "1-n MC", AtLeastOneOf(("4", "5"))),
    ),
    _template(
        4004, "Mammography CAD Composite Feature", f"PS3.4 O.2.2.1, PS3.17 E.2; {_PART}",
        _row("1", ".", "CODE", "111015", values=Group(6016)),
        _row("2", "> HAS CONCEPT MOD", "CODE", "111056", values=Group(6034)),
        _row("3", "> HAS OBS CONTEXT", "INCLUDE 4022", "", "1 U"),
        _row("4", "> HAS PROPERTIES", "INCLUDE 4005"),
        _row("5", "> HAS PROPERTIES", "INCLUDE 4007", "", "1 UC", ParentIs((COMPOSITION,))),
        _row("6", "> HAS PROPERTIES", "INCLUDE 4010", "", "1 UC", ParentIs((CLUSTER,))),
        _row("7", "> HAS PROPERTIES", "INCLUDE 4014", "", "1 UC", ParentIs((QUALITY,))),
        _row("I1", "> INFERRED FROM", "INCLUDE 4004", "", "1-n MC", _INFERRED),
        _row("I2", "> INFERRED FROM", "INCLUDE 4006", "", "1-n MC", _INFERRED),
        _row("I3", "> R-INFERRED FROM", "CODE", "111015", "1-n MC", _INFERRED),
        _row("I4", "> R-INFERRED FROM", "CODE", "111059", "1-n MC", _INFERRED),
    ),
    _template(
        4005, "Mammography CAD Composite Feature Base", f"{_NEMA}, sect_TID_4005 (rows 1-11)",
        _row("1", ".", "CODE", "111016", values=Group(6035)),
        _row("2", ".", "CODE", "111057", values=Group(6036)),
        _row("3", ".", "INCLUDE 4019"),
        _row("4", ".", "NUM", "111011", "1 U", None, PERCENT),
        _row("5", ".", "NUM", "111047", "1 UC", ParentIsNot((NON_LESION,)), PERCENT),
        _row("6", ".", "CODE", "111042", "1-n U", None, Group(6030, extensible=True)),
        _row("10", ".", "INCLUDE 4021", "", "1-n U"),
        _row("11", ".", "NUM", "CID 6037", "1-n UC", RowIs("1", ("111153",))),
        tolerated=_ANY_PROPERTY,  # rows 7-9 (TID 1400-1402), and those after 11, which were not seen
    ),
    _template(
        4006, "Mammography CAD Single Image Finding", f"PS3.4 O.2.2.1; TID 4127 of {_NEMA}, its like; {_PART}",
        _row("1", ".", "CODE", "111059", values=Group(6014)),
        _row("2", "> HAS CONCEPT MOD", "CODE", "111056", values=Group(6034)),
        _row("3", ">> HAS PROPERTIES", "NUM", "111071", "1 UC", ParentIs(("111151",)), Number((), 1, None, whole=True)),
        _row("4", "> HAS OBS CONTEXT", "INCLUDE 4022", "", "1 U"),
        _row("5", "> HAS PROPERTIES", "INCLUDE 4019"),
        _row("6", "> HAS PROPERTIES", "NUM", "111012", "1 U", None, PERCENT),
        _row("7", "> HAS PROPERTIES", "NUM", "111047", "1 UC",
             ParentIsNot((*_UNDRAWN, NIPPLE, REGION, NON_LESION)), PERCENT),
        _row("8", "> HAS PROPERTIES", "INCLUDE 4021", "", "1 MC", ParentIsNot(_UNDRAWN, otherwise=True)),
        _row("9", "> HAS PROPERTIES", "CODE", "111042", "1-n U", None, Group(6030, extensible=True)),
        _row("10", "> HAS PROPERTIES", "INCLUDE 4007", "", "1 MC", ParentIs((COMPOSITION,))),
        _row("11", "> HAS PROPERTIES", "INCLUDE 4008", "", "1 MC", ParentIs((GEOMETRY,))),
        _row("12", "> HAS PROPERTIES", "INCLUDE 4009", "", "1 UC", ParentIs((CALCIFICATION,))),
        _row("13", "> HAS PROPERTIES", "INCLUDE 4010", "", "1 UC", ParentIs((CLUSTER,))),
        _row("14", "> HAS PROPERTIES", "INCLUDE 4011", "", "1 UC", ParentIs((DENSITY,))),
        _row("15", "> HAS PROPERTIES", "INCLUDE 4012", "", "1 UC", ParentIs((NON_LESION,))),
        _row("16", "> HAS PROPERTIES", "INCLUDE 4013", "", "1 MC", ParentIs((REGION,))),
        _row("17", "> HAS PROPERTIES", "INCLUDE 4014", "", "1 MC", ParentIs((QUALITY,))),
        tolerated=_ANY_NUMBER,  # measurements of TID 4009-4011 (TID 1400-1402)
    ),
    _template(
        4007, "Mammography CAD Breast Composition", "table not seen; names from PS3.16 Annex D",
        _row("1", ".", "CODE", "111006", "1 U", None, Group(6000)),
        _row("2", ".", "NUM", "111046", "1 U", None, PERCENT),
    ),
    _template(
        4008, "Mammography CAD Breast Geometry", "table not seen; names from PS3.16 Annex D",
        _row("1", ".", "SCOORD", "111007", "1 U", None, OUTLINE),
        _row("2", "> R-SELECTED FROM", "IMAGE", "", "1 M", None, InLibrary()),
        _row("3", ".", "SCOORD", "111045", "1 U", None, OUTLINE),
        _row("4", "> R-SELECTED FROM", "IMAGE", "", "1 M", None, InLibrary()),
    ),
    _template(
        4009, "Mammography CAD Individual Calcification", "table not seen; names from PS3.16 Annex D",
        _row("1", ".", "CODE", "111009", "1-n U", None, Group(6010)),
    ),
    _template(
        4010, "Mammography CAD Calcification Cluster", "table not seen; names from PS3.16 Annex D",
        _row("1", ".", "CODE", "111009", "1-n U", None, Group(6010)),
        _row("2", ".", "CODE", "111008", "1 U", None, Group(6012)),
        _row("3", ".", "NUM", "111038", "1 U", None, Number((), 0, None, whole=True)),
    ),
    _template(
        4011, "Mammography CAD Density", f"rows 1-3: {_PART}",
        _row("1", ".", "CODE", "111035", "1 U", None, Group(6008)),
        _row("2", ".", "CODE", "107644003 SCT", "1 U", None, Group(6004)),
        _row("3", ".", "CODE", "112233002 SCT", "1 U", None, Group(6006)),
    ),
    _template(
        4012, "Mammography CAD Non-lesion", "table not seen; names from PS3.16 Annex D",
        _row("1", ".", "CODE", "111039", "1 U", None, Group(6040)),
    ),
    _template(
        4013, "Mammography CAD Selected Region", f"row 9 of TID 4127, {_NEMA}",
        _row("1", ".", "TEXT", "111058"),
    ),
    _template(
        4014, "CAD Image Quality", f"{_DABSOFT}/TID_4014",
        _row("1", ".", "CODE", "111052", values=Group(6041)),
        _row("2", "> HAS PROPERTIES", "CODE", "111050", "1 U", None, Group(6044)),
        _row("3", "> HAS PROPERTIES", "CODE", "111051", "1 UC", With(("2",)), Group(6045)),
        _row("4", "> HAS PROPERTIES", "NUM", "111029", "1 U", None, Number(("{0:100}",), 0, 100)),
    ),
    _pairs(4015, "CAD Detections Performed", "111063", "111025", 4017),
    _pairs(4016, "CAD Analyses Performed", "111062", "111024", 4018),
    _performed(4017, "CAD Detection Performed", "111022", Group(6014)),
    _performed(4018, "CAD Analysis Performed", "111004", Group(6043)),
    _template(
        4019, "Algorithm Identification", f"highdicom; {_PART}",
        _row("1", ".", "TEXT", "111001"),
        _row("2", ".", "TEXT", "111003"),
        _row("2b", ".", "TEXT", "122405", "1 U"),
        _row("3", ".", "TEXT", "111002", "1-n U"),
        _row("4", ".", "CODE", "111000", "1 U"),
    ),
    _template(
        4020, "CAD Image Library Entry", f"{_NEMA}, sect_TID_4020 (rows 1-13)",
        _row("1", ".", "IMAGE", ""),
        _row("2", "> HAS ACQ CONTEXT", "CODE", "111027", "1 MC", ImageHas(("ImageLaterality",)), Group(6022)),
        _row("3", "> HAS ACQ CONTEXT", "CODE", "111031", "1 MC", ImageHas(("ViewCodeSequence",)), Group(4014)),
        _row("4", ">> HAS CONCEPT MOD", "CODE", "111032", "1-n MC",
             ImageHas(("ViewModifierCodeSequence",)), Group(4015)),
        _row("5", "> HAS ACQ CONTEXT", "TEXT", "111044", "1 MC", ImageHas(("PatientOrientation",))),
        _row("6", "> HAS ACQ CONTEXT", "TEXT", "111043", "1 MC", ImageHas(("PatientOrientation",))),
        _row("7", "> HAS ACQ CONTEXT", "DATE", "111060", "1 MC", ImageHas(("StudyDate",))),
        _row("8", "> HAS ACQ CONTEXT", "TIME", "111061", "1 MC", ImageHas(("StudyTime",))),
        _row("9", "> HAS ACQ CONTEXT", "DATE", "111018", "1 MC", ImageHas(("ContentDate",))),
        _row("10", "> HAS ACQ CONTEXT", "TIME", "111019", "1 MC", ImageHas(("ContentTime",))),
        _row("11", "> HAS ACQ CONTEXT", "NUM", "111026", "1 MC",
             ImageHas(("ImagerPixelSpacing", "PixelSpacing")), _LENGTHS),
        _row("12", "> HAS ACQ CONTEXT", "NUM", "111066", "1 MC",
             ImageHas(("ImagerPixelSpacing", "PixelSpacing")), _LENGTHS),
        _row("13", "> HAS ACQ CONTEXT", "NUM", "112011", "1 U", None, Number(("deg",))),
        _row("14", "> HAS ACQ CONTEXT", "NUM", "112012", "1 U", None, Number(("deg",))),
    ),
    _template(
        4021, "Mammography CAD Geometry", f"TID 4129 and TID 4107, its like; {_PART}",
        _row("1", ".", "SCOORD", "111010", "1 M", None, Shape(("POINT",))),
        _row("2", "> R-SELECTED FROM", "IMAGE", "", "1 M", None, InLibrary()),
        _row("3", ".", "SCOORD", "111041", "1 U", None, OUTLINE),
        _row("4", "> R-SELECTED FROM", "IMAGE", "", "1 M", None, InLibrary()),
    ),
    _template(
        4022, "CAD Observation Context", "table not seen: whatever describes the other report is let pass",
        _row("1", ".", ANY, ANY, "1-n U"),
    ),
    _template(
        4023, "CAD Operating Points", f"{_AVKROK}, sect_TID_4023; names from PS3.16 Annex D",
        _row("1", ". HAS PROPERTIES", "NUM", "111072", "1 M", None, Number(("[arb'U]",), 0, None, whole=True)),
        _row("2", ". HAS PROPERTIES", "NUM", "111092", "1 U", None, Number((), 0, None, whole=True)),
        _row("3", ". HAS PROPERTIES", "CONTAINER", "111093", "1 U"),
        _row("4", "> CONTAINS", "CODE", ANY),
        _row("5", "> CONTAINS", "CODE", ANY),
        _row("6", "> CONTAINS", "NUM", "111071", "1-n M", None, Number((), 0, None, whole=True)),
        _row("7", ">> HAS PROPERTIES", "TEXT", "111081", "1 U"),
        _row("8", ">> HAS PROPERTIES", "NUM", ANY, "1-n U"),
    ),
)  # fmt: skip

TEMPLATES = {template.tid: template for template in _ALL}
"""By TID."""
