"""The proposed sessions in report, structure set and segmentation: what is said is the plan's, and that it is one."""

import colorsys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code

from node.told import told
from pipeline.encode import Part, encode, to_bytes
from pipeline.encode.proposal import colours
from pipeline.findings import Findings, Origin
from pipeline.sessions.case import Wishes
from pipeline.sessions.kernel import Kernel
from pipeline.sessions.planned import Planned
from pipeline.sessions.told import sentences
from tests.support.findings import STAMP, Grid, findings_on, planned, sited, spheres, write_classic

GRID = Grid((24, 60, 60))
LABELS = spheres(
    GRID, ((8, 14, 14), 12.0), ((16, 44, 14), 9.0), ((9, 44, 44), 8.0), ((16, 14, 44), 7.0), ((12, 29, 29), 5.0)
)
ESTIMATE = "ESTIMATE - NOT FOR TREATMENT"


@pytest.fixture
def bare(tmp_path: Path) -> Findings:
    return sited(findings_on(write_classic(tmp_path, GRID), GRID, LABELS))


@pytest.fixture
def found(bare: Findings) -> Findings:
    """Three sessions; the first lesion in three fractions, the last one excluded."""
    names = [n.short_label for n in bare.lesions]
    wishes = Wishes(sessions=3, excluded=frozenset({names[-1]}))
    return planned(bare, wishes, gy={names[0]: (27.0, 3)}, extras=())


def plan_of(findings: Findings) -> Planned:
    assert findings.planned is not None
    return findings.planned


def made(findings: Findings, part: Part) -> Dataset:
    return next(dcmread(BytesIO(to_bytes(e.dataset))) for e in encode(findings, STAMP) if e.part is part)


def named(item: Dataset, code: str) -> list[Dataset]:
    """Items of that name right below `item`."""
    return [n for n in item.get("ContentSequence", []) if n.ConceptNameCodeSequence[0].CodeValue == code]


def walk(item: Dataset) -> Iterator[Dataset]:
    for child in item.get("ContentSequence", []):
        yield child
        yield from walk(child)


def value(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


def number(item: Dataset, code: str) -> float:
    (row,) = named(item, code)
    return value(row)


def sessions_of(report: Dataset) -> Dataset:
    (box,) = named(report, "SESSIONS_ALL")
    return box


def sites(item: Dataset) -> set[str]:
    return {n.ConceptCodeSequence[0].CodeMeaning for n in named(item, "363698007")}


def test_each_session_says_number_day_minutes_v12_organs_and_who_is_treated(found: Findings) -> None:
    plan, by_label = plan_of(found).plan, {n.tracking_uid: n for n in found.lesions}
    for session, item in zip(plan.sessions, named(sessions_of(made(found, Part.SR)), "SESSION_ONE"), strict=True):
        assert number(item, "SESSION_NUMBER") == session.number
        assert number(item, "SESSION_DAY") == session.day
        assert number(item, "SESSION_TIME") == session.minutes
        assert number(item, "V12") == pytest.approx(session.v12_ml, abs=5e-4)
        assert [value(n) for n in named(item, "128531")] == pytest.approx(list(session.organs_gy.values()), abs=5e-4)
        assert [sites(n) for n in named(item, "128531")] == [{"Brain Stem"}, {"Cochlea"}]
        treated = named(item, "SESSION_LESION")
        for name, inside in zip(session.lesions, treated, strict=True):
            lesion = by_label[str(named(inside, "112040")[0].UID)]
            assert lesion.short_label == name
            assert named(inside, "112039")[0].TextValue == lesion.label
            assert (number(inside, "121385"), number(inside, "121386")) == session.fractions[name]
            assert number(inside, "SESSION_DOSE") == plan_of(found).prescription_of(name).per_session_gy  # type: ignore[union-attr]


def test_curve_comparison_reasons_and_cumulative_doses_are_those_of_the_plan(found: Findings) -> None:
    plan, box = plan_of(found).plan, sessions_of(made(found, Part.SR))
    (curve,) = named(box, "CURVE_ALL")
    for option, item in zip(plan.curve, named(curve, "CURVE_ONE"), strict=True):
        assert number(item, "SESSION_COUNT") == option.sessions
        assert [value(v) for v in named(item, "V12")] == pytest.approx(option.v12_ml, abs=5e-4)
        assert number(item, "GAP") == pytest.approx(100 * option.gap, abs=5e-4)
        answers = {c: named(item, c)[0].ConceptCodeSequence[0].CodeMeaning for c in ("PROVEN", "CHOSEN")}
        assert answers == {
            "PROVEN": "Yes" if option.proven else "No",
            "CHOSEN": "Yes" if option.sessions == plan.chosen else "No",
        }
        assert [t.TextValue for t in named(item, "EXCEEDED")] == list(option.broken)
    (others,) = named(box, "COMPARISON_ALL")
    for way, item in zip(plan.compared, named(others, "COMPARISON_ONE"), strict=True):
        assert named(item, "WAY")[0].TextValue == way.name
        assert number(item, "V12_LARGEST") == pytest.approx(way.v12_ml, abs=5e-4)
        assert number(item, "BED") == pytest.approx(way.bed_gy, abs=5e-4)
    assert [value(n) for n in named(box, "BED")] == pytest.approx(
        [plan.brain_bed_gy, *plan.organs_bed_gy.values()], abs=5e-4
    )
    assert [t.TextValue for t in named(box, "WHY")] == [
        f"{w.lesion} not in session {w.session}: {w.words}" for w in plan.why
    ]


def test_limits_and_prescriptions_stand_in_the_report_with_their_sources(found: Findings) -> None:
    case, box = plan_of(found).case, sessions_of(made(found, Part.SR))
    (limits,) = named(box, "LIMITS_ALL")
    said = {(n.TextValue, number(i, "121386")) for i in named(limits, "LIMIT_ONE") for n in named(i, "SOURCE")}
    brain, stem = (case.limits.brain(k) for k in (1, 3)), (case.limits.organ("brainstem", k) for k in (1, 3))
    assert said >= {(row.source, row.fractions) for row in (*brain, *stem) if row}
    (prescriptions,) = named(box, "PRESCRIBED_ALL")
    rows = named(prescriptions, "PRESCRIBED_ONE")
    assert [number(r, "130009") for r in rows] == [27.0, 20.0, 20.0, 20.0]
    assert {named(r, "SOURCE")[0].TextValue for r in rows} == {"a table of the test"}


@pytest.mark.parametrize(
    ("given", "said", "not_said"),
    [
        (0, ["Doses fall with", "No planning system"], ["were given"]),
        (2, ["Doses of {0}, {1} were given by a planning system. Those of {2}, {3}, and"], ["No planning"]),
        (4, ["Doses of {0}, {1}, {2}, {3} were given by a planning system. Those of all beyond"], ["No planning"]),
    ],
)
def test_how_doses_came_about_is_said_of_each_lesion_with_the_gradient_index(
    found: Findings, given: int, said: list[str], not_said: list[str]
) -> None:
    old = plan_of(found)
    names = sorted({name for s in old.plan.sessions for name in s.lesions})
    case = replace(old.case, kernel=Kernel(4.5))
    if given:
        case = replace(case, doses_gy=case.brain_doses()[0], given=tuple(names[:given]))
    planned = replace(old, case=case, plan=replace(old.plan, given=case.given))
    report = made(replace(found, planned=planned), Part.SR)
    (method,) = named(sessions_of(report), "DOSE_METHOD")
    assert all(words.format(*names) in method.TextValue for words in said)
    assert not any(words in method.TextValue for words in not_said)
    assert "gradient index V50/V100 4.50" in method.TextValue
    assert number(sessions_of(report), "GRADIENT_INDEX") == 4.5


def test_estimate_not_for_treatment_is_said_at_the_head_and_in_the_general_comments(found: Findings) -> None:
    report = made(replace(found, planned=replace(plan_of(found), remarks=("A remark from before.",))), Part.SR)
    head, *_ = sessions_of(report).ContentSequence
    assert head.TextValue.startswith(f"{ESTIMATE}. RESEARCH USE ONLY")
    (evaluations,) = named(report, "C0034375")
    comments = [n.TextValue for n in named(evaluations, "121106")]
    assert set(sentences(plan_of(found).plan)) < set(comments)
    assert "A remark from before." in comments
    excluded = found.lesions[-1].short_label
    assert f"Excluded from the proposed sessions: {excluded}." in comments


def test_a_lesions_own_group_has_prescription_and_sessions_and_its_other_rows_are_read_as_before(
    found: Findings,
) -> None:
    plan, read = plan_of(found), told(made(found, Part.SR))
    for lesion, t in zip(found.lesions, read, strict=True):
        assert t.volume_mm3 == pytest.approx(lesion.volume_mm3, abs=1e-3)
        assert t.nearest == "left cochlea 8 mm"
        assert t.sessions == plan.session_of(lesion.short_label)
        assert t.days == tuple(plan.plan.sessions[k - 1].day for k in t.sessions)
        assert t.excluded == (lesion is found.lesions[-1])
    assert [t.prescription for t in read] == [(27.0, 3), (20.0, 1), (20.0, 1), (20.0, 1), None]
    assert read[0].sessions == (1, 2, 3)
    groups = hd.sr.Comprehensive3DSR.from_dataset(made(found, Part.SR)).content.get_volumetric_roi_measurement_groups()
    says = [g.get_qualitative_evaluations(name=Code("PROPOSAL", "99LANTERN", "Proposed treatment")) for g in groups]
    assert [e[0].value.meaning for e in says] == [
        *["Estimate, not for treatment"] * 4,
        "Excluded from the proposed sessions",
    ]


def test_without_a_plan_there_are_no_sessions_and_lesions_to_treat_say_so_once(bare: Findings) -> None:
    def said(findings: Findings) -> list[str]:
        report = made(findings, Part.SR)
        assert not named(report, "SESSIONS_ALL")
        assert [(t.sessions, t.prescription, t.excluded) for t in told(report)] == [((), None, False)] * 5
        texts = [n.TextValue for n in walk(report) if n.ValueType == "TEXT"]
        assert not any(ESTIMATE in t for t in texts)
        return [t for t in texts if "treatment sessions" in t]

    assert said(bare) == ["No treatment sessions are proposed for these lesions."]
    told_why = "No treatment sessions are proposed: lesion X is locked twice."
    assert said(replace(bare, remarks=(told_why,))) == [told_why]
    assert said(replace(bare, sought=replace(bare.sought, roi_type=""))) == []


def test_rois_keep_their_numbers_and_stand_in_the_order_of_the_sessions(found: Findings) -> None:
    plan, structures = plan_of(found), made(found, Part.RTSTRUCT)
    by_number = {n.number: n for n in found.lesions}
    order = [int(r.ROINumber) for r in structures.StructureSetROISequence]
    assert sorted(order) == [1, 2, 3, 4, 5]
    assert [int(r.ReferencedROINumber) for r in structures.ROIContourSequence] == order
    assert [int(r.ReferencedROINumber) for r in structures.RTROIObservationsSequence] == order
    first = [(plan.session_of(by_number[k].short_label) or (99,))[0] for k in order]
    assert first == sorted(first)
    for roi in structures.StructureSetROISequence:
        assert roi.ROIName == by_number[int(roi.ROINumber)].short_label
        assert ESTIMATE in roi.ROIDescription
    said = {int(r.ROINumber): r.ROIDescription for r in structures.StructureSetROISequence}
    assert f"sessions 1, 2, 3 of 3, 27 Gy in 3 fractions, {ESTIMATE}" in said[1]
    (alone,) = plan.session_of(by_number[2].short_label)
    assert f"session {alone} of 3, 20 Gy in 1 fraction, {ESTIMATE}" in said[2]
    assert f"in no proposed session: excluded, {ESTIMATE}" in said[5]
    assert ESTIMATE in structures.StructureSetDescription


def test_each_session_has_its_hues_in_structure_set_and_segmentation_alike(found: Findings) -> None:
    plan, structures, seg = plan_of(found), made(found, Part.RTSTRUCT), made(found, Part.SEG)
    shown = {int(r.ReferencedROINumber): tuple(r.ROIDisplayColor) for r in structures.ROIContourSequence}
    assert shown == colours(found)
    assert len(set(shown.values())) == 5
    for segment in seg.SegmentSequence:
        lab = list(hd.color.CIELabColor.from_rgb(*shown[int(segment.SegmentNumber)]).value)
        assert list(segment.RecommendedDisplayCIELabValue) == lab
        assert ESTIMATE in segment.SegmentDescription
    for lesion in found.lesions[:-1]:
        hue, saturation, _ = colorsys.rgb_to_hsv(*(c / 255 for c in shown[lesion.number]))
        session = plan.session_of(lesion.short_label)[0]
        away = (hue - (session - 1) / 3 + 0.5) % 1 - 0.5
        assert abs(away) <= 0.25 / 3 + 0.01
        assert saturation > 0.5
    red, green, blue = shown[5]
    assert red == green == blue


def test_a_hundred_lesions_in_five_sessions_have_colours_of_their_own(tmp_path: Path) -> None:
    grid = Grid((24, 110, 110))
    at = [(z, y, x) for z in (5, 17) for y in range(6, 106, 11) for x in range(6, 106, 11)][:100]
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, *((a, 4.0) for a in at)))
    shown = colours(planned(findings, Wishes(sessions=5, most_minutes=600.0, most_lesions=30), step_mm=4.0))
    assert len(shown) == 100
    assert len(set(shown.values())) == 100


def test_who_drew_an_outline_is_said_and_a_person_is_no_algorithm(bare: Findings) -> None:
    origins = (Origin.AUTOMATIC, Origin.SEMIAUTOMATIC, Origin.MANUAL, Origin.AUTOMATIC, Origin.MANUAL)
    findings = replace(bare, lesions=tuple(replace(n, origin=o) for n, o in zip(bare.lesions, origins, strict=True)))
    segments = made(findings, Part.SEG).SegmentSequence
    rois = made(findings, Part.RTSTRUCT).StructureSetROISequence
    assert [s.SegmentAlgorithmType for s in segments] == [r.ROIGenerationAlgorithm for r in rois] == list(origins)
    assert ["SegmentAlgorithmName" in s for s in segments] == [o is not Origin.MANUAL for o in origins]
    assert ["ROIDerivationAlgorithmIdentificationSequence" in r for r in rois] == [
        o is not Origin.MANUAL for o in origins
    ]
    texts = [n.TextValue for n in walk(made(findings, Part.SR)) if n.ValueType == "TEXT"]
    names = [n.short_label for n in findings.lesions]
    assert f"Outlined by a person: {names[2]}, {names[4]}." in texts
    assert f"Outline changed by a person: {names[1]}." in texts


def test_roi_names_stay_different_when_they_are_cut(bare: Findings) -> None:
    named_alike = replace(
        bare, lesions=tuple(replace(n, name=f"GTV left frontal lobe {n.number}") for n in bare.lesions)
    )
    names = [str(r.ROIName) for r in made(named_alike, Part.RTSTRUCT).StructureSetROISequence]
    assert names == ["GTV left frontal", *(f"GTV left front_{k}" for k in (2, 3, 4, 5))]
    assert max(map(len, names)) == 16


def test_one_session_keeps_the_colours_of_lesions_without_a_plan(bare: Findings) -> None:
    alone = planned(bare, Wishes(sessions=1), extras=())
    assert colours(alone) == colours(bare)
    assert np.all([len(plan_of(alone).session_of(n.short_label)) == 1 for n in alone.lesions])
