"""Rows that every group of a report has (PS3.16 TID 1410, 1411, 1501, 4019), and what was not analysed: by code."""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Findings
from pipeline.marks import Analysis, Attempt, Kind, MarkedStudy, Outcome, Unread
from tests.support.findings import STAMP, Grid, findings_on, sited, spheres, write_classic
from tests.support.mammograms import marked, unmarked, write_study

GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
LABELS = spheres(GRID, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))
NAME, VERSION, PARAMETERS, FAMILY, MAKER = "111001", "111003", "111002", "111000", "122405"
TRACKING, TRACKING_UID, FINDING, CATEGORY, SITE = "112039", "112040", "121071", "276214006", "363698007"


def report(of: Findings | MarkedStudy) -> Dataset:
    (made,) = (e.dataset for e in encode(of, STAMP) if e.part is Part.SR)
    return dcmread(BytesIO(to_bytes(made)))


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def value(item: Dataset) -> str:
    return str(item.ConceptCodeSequence[0].CodeValue)


def items(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence", ()):
        yield item
        yield from items(item)


def named(ds: Dataset, code: str) -> list[Dataset]:
    return [i for i in items(ds) if name(i) == code]


def findings_in(folder: Path, **more: object) -> Findings:
    return replace(findings_on(write_classic(folder, GRID), GRID, LABELS), **more)  # type: ignore[arg-type]


def rows(group: Dataset) -> dict[str, Dataset]:
    return {name(i): i for i in group.ContentSequence}


@pytest.mark.parametrize("what", ["lesions", "no lesion", "marks", "no marks"])
def test_every_group_is_tracked_and_names_the_algorithm_that_made_it(tmp_path: Path, what: str) -> None:
    found = {
        "lesions": lambda: sited(findings_in(tmp_path)),
        "no lesion": lambda: findings_on(write_classic(tmp_path, GRID), GRID, 0 * LABELS),
        "marks": lambda: marked(write_study(tmp_path)),
        "no marks": lambda: unmarked(write_study(tmp_path)),
    }[what]()
    groups = named(report(found), "125007")
    assert groups
    for group in groups:
        has = rows(group)
        assert has[TRACKING].TextValue and has[TRACKING_UID].UID
        assert has[NAME].TextValue == found.algorithm.name and has[VERSION].TextValue == found.algorithm.version
        assert value(has[FAMILY]) == "123110" and has[MAKER].TextValue == "Lantern"
        said = [i.TextValue for i in group.ContentSequence if name(i) == PARAMETERS]
        assert f"weights_sha256={found.algorithm.weights_sha256 or 'none'}" in said
        assert any(s.startswith("evidence_tier=") for s in said)
        # TID 1501 row 3, 1410 row 3, 4019: which relationships the rows have
        assert {has[k].RelationshipType for k in (TRACKING, TRACKING_UID)} == {"HAS OBS CONTEXT"}
        assert {has[k].RelationshipType for k in (NAME, VERSION, PARAMETERS, FAMILY, MAKER)} == {"HAS CONCEPT MOD"}
    assert len({rows(g)[TRACKING_UID].UID for g in groups}) == len(groups)


def test_each_lesion_has_type_category_site_side_region_and_measurements(tmp_path: Path) -> None:
    findings = sited(findings_in(tmp_path))
    for lesion, group in zip(findings.lesions, named(report(findings), "125007"), strict=True):
        has = rows(group)
        assert value(has[FINDING]) == "14799000" and value(has[CATEGORY]) == "49755003"
        assert lesion.site is not None
        assert value(has[SITE]) == lesion.site.code.value
        side = [value(i) for i in has[SITE].get("ContentSequence", ())]
        assert side == ([lesion.site.laterality.value] if lesion.site.laterality else [])
        assert has["121191"].ReferencedSOPSequence[0].ReferencedSegmentNumber == lesion.number
        assert {"118565006", "103339001", "103340004", "111012"} <= has.keys()  # volume, long, short axis, certainty


def test_no_lesion_is_said_as_a_question_with_its_answer_and_as_a_summary(tmp_path: Path) -> None:
    sr = report(findings_on(write_classic(tmp_path, GRID), GRID, 0 * LABELS))
    (group,) = named(sr, "125007")
    assert value(rows(group)["14799000"]) == "260415000"
    assert FINDING not in rows(group)
    assert [value(i) for i in named(sr, "111017")] == ["111241"]


def missed(sr: Dataset) -> list[tuple[str, str]]:
    boxes = [rows(box) for box in named(sr, "MISSED_ONE")]
    return [(value(has["111064"]) if "111064" in has else "", has["121106"].TextValue) for has in boxes]


def test_what_was_not_analysed_of_a_whole_volume_is_all_other_series(tmp_path: Path) -> None:
    sr = report(findings_in(tmp_path))
    ((outcome, words),) = missed(sr)
    assert outcome == "", "a code of something not attempted would be in every report"
    assert words.endswith("No other series of this study was analysed.")
    assert [value(i) for i in named(sr, "111017")] == ["111242"]


@pytest.mark.parametrize(("lesions", "summary"), [(2, "111244"), (0, "111243")])
def test_slices_without_an_image_and_parts_that_are_not_covered_are_coded(
    tmp_path: Path, lesions: int, summary: str
) -> None:
    frames = list(write_classic(tmp_path, GRID))
    frames[5] = frames[4]
    findings = findings_on(tuple(frames), GRID, LABELS if lesions else 0 * LABELS, unseen=("Half of the head.",))
    sr = report(findings)
    assert [(o, w.partition(":")[0]) for o, w in missed(sr)][:2] == [
        ("111225", "Slice(s) 6 of 12"),
        ("111225", "Half of the head."),
    ]
    assert [value(i) for i in named(sr, "111017")] == [summary]


def test_images_that_were_not_read_and_attempts_that_failed_are_coded_in_the_report_of_mammograms(
    tmp_path: Path,
) -> None:
    views = write_study(tmp_path)
    roles = tuple(v.role for v in views)
    study = replace(
        marked(views),
        unread=(Unread("1.2.3.4", views[0].sop_class_uid, views[0].path, "it is inverted"),),
        attempts=(
            Attempt(Kind.MASS, Outcome.SUCCEEDED, roles),
            Attempt(Kind.CALCIFICATIONS, Outcome.NOT_ATTEMPTED, roles, "the pixels are too coarse"),
            Attempt(Analysis.DENSITY, Outcome.FAILED, roles, "no memory"),
        ),
    )
    sr = report(study)
    assert {outcome for outcome, _ in missed(sr)} == {"111225", "111224"}
    boxes = named(sr, "MISSED_ONE")
    assert [i.UID for box in boxes for i in box.ContentSequence if name(i) == "IMAGE_UID"] == ["1.2.3.4"]
    assert sum("111022" in rows(box) for box in boxes) == 2
    assert any("too coarse" in words for _, words in missed(sr))
