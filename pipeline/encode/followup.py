"""What became of the lesions of an earlier study, as content items of the report (PS3.16 TID 1500, extensible).

In each lesion's group stand its earlier sizes and how it changed, under names of their own: who looks for Volume must
not find yesterday's. The other study, lesions that are gone or went up in others, and all lesions together stand in one
container. The response of target lesions is coded as in CID 6144, that of all lesions has codes of its own; none of it
is an assessment, which the container's first sentence says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.codes import SCHEME
from pipeline.encode.text import plain
from pipeline.findings import Findings, Lesion
from pipeline.followup.change import Before, Change, FollowUp, Response, Size, Status

_MM, _MM3, _PERCENT = codes.UCUM.Millimeter, codes.UCUM.CubicMillimeter, codes.UCUM.Percent
_CONTAINS = hd.sr.RelationshipTypeValues.CONTAINS

FOLLOW_UP = Code("FOLLOW_UP", SCHEME, "Comparison with one earlier study")
PRIOR_VOLUME = Code("PRIOR_VOLUME", SCHEME, "Volume on the earlier date")
PRIOR_ENHANCING = Code("PRIOR_ENHANCING", SCHEME, "Volume of enhancing part on the earlier date")
PRIOR_LONG_AXIS = Code("PRIOR_LONG_AXIS", SCHEME, "Long axis on the earlier date")
VOLUME_CHANGE = Code("VOLUME_CHANGE", SCHEME, "Change of volume")
ENHANCING_CHANGE = Code("ENHANCING_CHANGE", SCHEME, "Change of the enhancing part's volume")
DIAMETER_CHANGE = Code("DIAMETER_CHANGE", SCHEME, "Change of long axis")
SUM_THEN = Code("SUM_THEN", SCHEME, "Sum of longest diameters of target lesions then")
SUM_NOW = Code("SUM_NOW", SCHEME, "Sum of longest diameters of target lesions now")
SUM_CHANGE = Code("SUM_CHANGE", SCHEME, "Change of the sum of longest diameters")
DAYS_BETWEEN = Code("DAYS_BETWEEN", SCHEME, "Days from the earlier study")
GONE_LESION = Code("GONE_LESION", SCHEME, "Lesion of the earlier study that is gone")
MERGED_LESION = Code("MERGED_LESION", SCHEME, "Lesion of the earlier study that went up in another")
BELONGS_TO = Code("BELONGS_TO", SCHEME, "Tracking UID of the lesion that it is a part of")
SPLIT_LESION = Code("SPLIT_LESION", SCHEME, "Lesion that split from one of the earlier study")
FIT = Code("REGISTRATION_FIT", SCHEME, "Correlation of both series after registration")
DOUBTFUL = Code("NEW_DOUBTFUL", SCHEME, "New outline where the earlier images are as bright")
NOT_IMAGED_LESION = Code("NOT_IMAGED_ONE", SCHEME, "Lesion of the earlier study that is not imaged")
CUT = Code("NOT_IMAGED_ON", SCHEME, "Date whose images do not show all of its place")
CUT_THEN = Code("EARLIER_DATE", SCHEME, "The earlier study")
CUT_NOW = Code("THIS_DATE", SCHEME, "This study")
ALL_LESIONS = Code("RESPONSE_ALL", SCHEME, "Response of all lesions, in words of RANO-BM")
RANO_BM = Code("RANO_BM", SCHEME, "RANO-BM 2015, images of two dates alone")

DIFFERENCE = Code("442714003", "SCT", "Difference in size")
STATUS = {
    Status.GROWN: Code("15454001", "SCT", "Increase in size"),
    Status.SHRUNK: Code("19776001", "SCT", "Decrease in size"),
    Status.STABLE: Code("260388006", "SCT", "No change"),
    Status.NEW: Code("NEW_LESION", SCHEME, "New since the earlier study"),
    Status.GONE: GONE_LESION,
    Status.NOT_IMAGED: Code("NOT_IMAGED", SCHEME, "Not imaged, or not whole, on both dates"),
}
"""As CID 6134 has them; 99LANTERN where it has none."""

OF_TARGETS = {
    Response.CR: codes.DCM.TargetLesionCompleteResponse,
    Response.PR: codes.DCM.TargetLesionPartialResponse,
    Response.SD: codes.DCM.TargetLesionStableDisease,
    Response.PD: codes.DCM.TargetLesionProgressiveDisease,
}
"""CID 6144: of target lesions alone, as Current Response."""

OF_ALL = {
    Response.CR: Code("RANO_CR", SCHEME, "Complete response of all lesions"),
    Response.PR: Code("RANO_PR", SCHEME, "Partial response of all lesions"),
    Response.SD: Code("RANO_SD", SCHEME, "Stable disease of all lesions"),
    Response.PD: Code("RANO_PD", SCHEME, "Progressive disease of all lesions"),
    Response.NON_TARGET: Code("RANO_NON_TARGET", SCHEME, "Lesions that cannot be measured, none new"),
    Response.NONE: Code("RANO_NONE", SCHEME, "No lesion on either date"),
    Response.UNSAID: Code("RANO_UNSAID", SCHEME, "No word of RANO-BM fits all lesions"),
}
"""Of all lesions together, new ones as well."""


def followed_measurements(findings: Findings, lesion: Lesion) -> list[Any]:
    """Rows for the group of a lesion; none where there is nothing to compare it with."""
    change = _change(findings, lesion)
    return [] if change is None else list(_rows(change))


def followed_evaluations(findings: Findings, lesion: Lesion) -> list[Any]:
    """What became of the lesion, as a code."""
    change = _change(findings, lesion)
    if change is None:
        return []
    said = [hd.sr.QualitativeEvaluation(DIFFERENCE, STATUS[change.status])]
    if change.doubtful:
        said.append(hd.sr.QualitativeEvaluation(DOUBTFUL, Code("373066001", "SCT", "Yes")))
    cuts = ((CUT_THEN, change.cut_then), (CUT_NOW, change.cut_now))
    said += [hd.sr.QualitativeEvaluation(CUT, date) for date, cut in cuts if cut]
    return said


def followed(follow_up: FollowUp) -> Any:
    """The container: the earlier study, all lesions together, and what is no lesion of today."""
    box = hd.sr.ContainerContentItem(name=FOLLOW_UP, relationship_type=_CONTAINS)
    box.ContentSequence = hd.sr.ContentSequence(_content(follow_up))
    return box


def _content(f: FollowUp) -> Iterator[Any]:
    yield _text(codes.DCM.Comment, f.words)
    yield _uid(codes.DCM.StudyInstanceUID, f.prior_study_instance_uid)
    yield _uid(codes.DCM.SeriesInstanceUID, f.prior_series_instance_uid)
    if len(f.prior_date) == 8 and f.prior_date.isdigit():
        yield hd.sr.DateContentItem(codes.DCM.StudyDate, f.prior_date, relationship_type=_CONTAINS)
    if f.days is not None:
        yield from _number(DAYS_BETWEEN, float(f.days), codes.UCUM.Day)
    yield _text(codes.DCM.Comment, f"Earlier lesions {f.drawn_by}.")
    yield from _number(FIT, f.fit, codes.UCUM.NoUnits)
    if f.sum_percent is not None:
        yield from _number(SUM_THEN, f.sum_then_mm, _MM)
        yield from _number(SUM_NOW, f.sum_now_mm, _MM)
        yield from _number(SUM_CHANGE, f.sum_percent, _PERCENT)
    yield _code(codes.DCM.ResponseEvaluationMethod, RANO_BM)
    yield _code(ALL_LESIONS, OF_ALL[f.response])
    if f.of_targets is not None:
        yield _code(codes.DCM.CurrentResponse, OF_TARGETS[f.of_targets])
    yield from (_gone(change) for change in f.gone)
    for change in f.changes:
        yield from (_merged(before, change) for before in change.merged_from)
        if change.split_from:
            yield _split(change)


def _change(findings: Findings, lesion: Lesion) -> Change | None:
    if findings.follow_up is None:
        return None
    return next((c for c in findings.follow_up.changes if c.tracking_uid == lesion.tracking_uid), None)


def _rows(change: Change) -> Iterator[Any]:
    if change.then:
        yield from _sizes(change.then)
    percents = (
        (VOLUME_CHANGE, change.volume_percent),
        (ENHANCING_CHANGE, change.enhancing_percent),
        (DIAMETER_CHANGE, change.diameter_percent),
    )
    for name, value in percents:
        if value is not None:
            yield hd.sr.Measurement(name, round(value, 2), _PERCENT)


def _sizes(size: Size) -> Iterator[Any]:
    yield hd.sr.Measurement(PRIOR_VOLUME, round(size.volume_mm3, 3), _MM3)
    if size.enhancing_volume_mm3 is not None:
        yield hd.sr.Measurement(PRIOR_ENHANCING, round(size.enhancing_volume_mm3, 3), _MM3)
    yield hd.sr.Measurement(PRIOR_LONG_AXIS, round(size.long_axis_mm, 3), _MM)


def _gone(change: Change) -> Any:
    name = NOT_IMAGED_LESION if change.status is Status.NOT_IMAGED else GONE_LESION
    return _lesion(name, change.tracking_uid, change.label, change.then)


def _merged(before: Before, into: Change) -> Any:
    return _lesion(MERGED_LESION, before.tracking_uid, before.label, before.size, into.tracking_uid)


def _split(change: Change) -> Any:
    return _lesion(SPLIT_LESION, change.tracking_uid, change.label, None, change.split_from)


def _lesion(name: Code, uid: str, label: str, then: Size | None, belongs_to: str = "") -> Any:
    box = hd.sr.ContainerContentItem(name=name, relationship_type=_CONTAINS)
    content = hd.sr.ContentSequence(hd.sr.TrackingIdentifier(uid=uid, identifier=plain(label)))
    if belongs_to:
        content.append(_uid(BELONGS_TO, belongs_to))
    for row in _sizes(then) if then else ():
        content.extend(row)
    box.ContentSequence = content
    return box


def _number(name: Code, value: float, unit: Any) -> Any:
    return hd.sr.Measurement(name, round(value, 3), unit)


def _text(name: Any, words: str) -> Any:
    return hd.sr.TextContentItem(name=name, value=plain(words), relationship_type=_CONTAINS)


def _uid(name: Any, uid: str) -> Any:
    return hd.sr.UIDRefContentItem(name=name, value=uid, relationship_type=_CONTAINS)


def _code(name: Any, value: Any) -> Any:
    return hd.sr.CodeContentItem(name=name, value=value, relationship_type=_CONTAINS)
