"""What people and vendors write in series descriptions, as patterns; the weaker evidence throughout.

Text is brought to lower case and `_ ^ / ( ) , . : ; =` become spaces first; `+` and `-` stay, they mean something.
"""

from __future__ import annotations

import re

from pipeline.core.study import Series

DESCRIBED_BY = ("SeriesDescription", "ProtocolName")
"""Free text of the series; Siemens and Philips fill both, GE often only the first."""

_AGENTS = (
    r"gado\w*|dotarem|clariscan|gadavist|prohance|magnevist|omniscan|multihance|elucirem|vueway|"
    r"artirem|dotagraf|optimark|vasovist|ablavar|primovist|eovist"
)

_NOT_OF_CONTRAST = (
    r"(?! ?-?(?:op|srs|rt|radio\w*|rad|rx|treat\w*|tx|therap\w*|bestrahl\w*|surg\w*|chemo\w*|resect\w*|proc\w*|"
    r"scan|fossa)(?!\w))"
)
"""After "pre" and "post": then they speak of the treatment or of the posterior fossa, not of the contrast agent."""

CONTRAST_GIVEN = re.compile(
    r"\+ ?(?:c|k|km|cm|gd|gad|gado|ce|contrast|contraste|iv)(?!\w)|(?<!\w)(?:c|iv) ?\+(?!\w)|"
    r"(?<!\w)(?:"
    rf"t1 ?(?:c|ce|gd|km|wce|wc)|post{_NOT_OF_CONTRAST}|postgd|"
    rf"postcontrast|gd|gad|{_AGENTS}|km|ce|cemra|kontrast\w*|contrast|contraste|contrasto|injected|inj"
    r")(?!\w)"
)
NO_CONTRAST = re.compile(
    r"(?<!\w)(?:"
    rf"(?:pre|pr(?:ä|ae)|vor){_NOT_OF_CONTRAST}|precontrast|pregd|before|without|w o|wo|w ?out|nativ|native|"
    r"ohne|okm|o(?= km)|sans|sin|senza|zonder|non? ?-?(?:gad\w*|gd|km)|"
    r"non ?-?contrast|no ?-?contrast|non ?-?ce|unenhanced|non ?-?enhanced|noncon|nc|plain|avant"
    r")(?!\w)|(?:^|\s)-c(?!\w)|(?<!\w)c-(?!\w)"
)
BOTH_WAYS = re.compile(
    r"(?<![^\s])(?:w(?:ith)? ?(?:and|&|\+|-)? ?(?:w ?o|without)|pre ?(?:and|&|\+|-)? ?post|mit (?:und|u) ohne|"
    r"ohne (?:und|u) mit|avec et sans|sans et avec|\+ ?- ?)"
    r"(?: ?-?(?:iv )?(?:contrast\w*|kontrast\w*|km|gad\w*|gd|c))?(?!\w)"
)
"""The name of a protocol ("brain w/wo contrast") that says nothing about one of its series."""

LOCALIZER = re.compile(
    r"(?<!\w)(?:loc|local\w*|scout|survey|topogram|locator|(?:3|three) ?-?(?:plane|pl)|plan ?scan|smartbrain|"
    r"smart brain|aahead\w*|aascout|autoalign\w*|calibration|asset cal\w*|ref ?scan|shim\w*)(?!\w)"
)
SUBTRACTION = re.compile(r"(?<!\w)(?:sub|subs|subtr\w*|subtraction\w*|difference|digsub)(?!\w)")
PROJECTION = re.compile(r"(?<!\w)(?:mip|minip|mnip|maxip|vrt|vr|3d ?render\w*)(?!\w)")
REFORMAT = re.compile(r"(?<!\w)(?:mpr|reformat\w*|refmt|recon|rfmt|reformatted|curved)(?!\w)")

SPECIAL: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ADC", re.compile(r"(?<!\w)(?:e?adc|apparent diffusion\w*)(?!\w)")),
    (
        "DWI",
        re.compile(r"(?<!\w)(?:dwi|dti|diff|diffusion|trace\w*|b ?-?(?:800|1000|2000)|fa map|resolve|hardi)(?!\w)"),
    ),
    (
        "SWI",
        re.compile(r"(?<!\w)(?:swi\w*|swan|venobold|swip|bsi|susceptib\w*|t2 ?\*|t2star|hemo|gre t2)(?!\w)"),
    ),
    (
        "PERFUSION",
        re.compile(r"(?<!\w)(?:perf\w*|dsc|dce|asl|pcasl|pasl|r?cbv|r?cbf|mtt|ttp|tmax|pbp|bold|fmri|k ?trans)(?!\w)"),
    ),
    (
        "ANGIO",
        re.compile(r"(?<!\w)(?:tof|mra|mrv|angio\w*|pca|pc3d|inhance|twist|tricks|venogr\w*|cemra)(?!\w)"),
    ),
    ("T2", re.compile(r"(?<!\w)(?:ciss\w*|\w*ci3d|fiesta|b-?ffe|balanced|tru(?:e ?)?fi(?:sp)?)(?!\w)")),
)
"""What timing parameters alone do not tell from T1 or T2; a description that says so is believed. T2: balanced
steady state, whose short TR and TE are those of a T1 gradient echo; fluid is bright in it, with contrast or without."""

PLAIN: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "T1",
        re.compile(
            r"(?<!\w)(?:[a-z]{0,3}t1\w*|mp2?rage|\w*memprage|bravo|fspgr|spgr|ir-?fspgr|"
            r"vibe|thrive|lava|tfe|flash)(?!\w)"
        ),
    ),
    ("FLAIR", re.compile(r"(?<!\w)(?:[a-z0-9]*flair\w*|dark ?-?fluid|da-?fl|tirm)(?!\w)")),
    ("STIR", re.compile(r"(?<!\w)(?:\w*stir)(?!\w)")),
    ("T2", re.compile(r"(?<!\w)(?:[a-z]{0,3}t2\w*|drive)(?!\w)")),
    ("PD", re.compile(r"(?<!\w)(?:pd\w?|proton ?density|dp)(?!\w)")),
)
"""Asked only where the timing parameters are absent or undecided."""

HEAD = re.compile(
    r"(?<!\w)(?:head|brain|skull|cerebr\w*|cranium|cranial|neuro|kopf|hirn|gehirn|sch(?:ä|ae)del|cerveau|"
    r"crane|hersenen|encef\w*|cabeza)(?!\w)"
)
ELSEWHERE = re.compile(
    r"(?<!\w)(?:knee|spine|[ctl]-?spine|[ctl] spine|cervical|thoracic|lumbar|hws|bws|lws|sacrum|abdomen|"
    r"liver|leber|pelvis|becken|prostat\w*|breast|mamma|heart|cardiac|shoulder|schulter|hip|h(?:ü|ue)fte|"
    r"ankle|wrist|hand|foot|fuss|elbow|knie|femur|tibia|thigh|leg|neck|chest|thorax|lung|kidney|extremity|"
    r"wholebody|ctspine|tlspine|lsspine|sspine|rectum|uterus|genou|epaule|rachis|hals)(?!\w)"
)

_SEPARATORS = re.compile(r"[_^/(),.:;=\[\]\"']+")


def described(series: Series) -> str:
    """What was written about this series, normalised: its description, or the protocol name when it has none.

    GE's protocol name is that of the whole examination, so it must not speak where the series speaks for itself.
    """
    texts = (plain_text(_text(series.get(k))) for k in DESCRIBED_BY)
    return next((t for t in texts if t), "")


def described_by(series: Series, *keywords: str) -> str:
    """All of these keywords' texts, normalised, in one string."""
    return plain_text(" ".join(_text(series.get(k)) for k in keywords))


def plain_text(text: str) -> str:
    """Lower case, separators as single spaces."""
    return " ".join(_SEPARATORS.sub(" ", text.lower()).split())


def found(pattern: re.Pattern[str], text: str) -> str:
    """The first words that match, or an empty string."""
    match = pattern.search(text)
    return match.group(0).strip() if match else ""


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value or "")
