"""What a page must say and show so that nobody takes it for more than it is, or one lesion for another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.encode import encode
from pipeline.encode.page import Page, draw
from pipeline.encode.page.model import RED, Box, Map, Outline, Picture, Text
from pipeline.encode.page.sessions import fullest, plan_sheets, shown_alone, weightiest
from pipeline.encode.page.slices import slices_of
from pipeline.encode.proposal import colours
from pipeline.encode.source import read_source
from pipeline.findings import Correction, Corrections, Edit, Findings
from pipeline.sessions.case import Wishes
from pipeline.sessions.dosemap import brain_grid
from pipeline.sessions.plan import Why
from pipeline.sessions.planned import Planned
from tests.support.findings import (
    STAMP,
    planned,
)
from tests.support.followed import with_follow_up
from tests.support.pages import GRID, found, pages_of, said, texts_of


def with_names(findings: Findings, *names: str) -> Findings:
    lesions = (replace(n, name=name) for n, name in zip(findings.lesions, names, strict=True))
    return replace(findings, lesions=tuple(lesions))


def test_the_map_is_marked_with_the_numbers_of_the_names(tmp_path: Path) -> None:
    named = with_names(found(tmp_path, 4), "BM11_BRAINSTEM", "neu links", "BM02_L_OCCIPIT", "BM01_L_CEREB")
    page = pages_of(planned(named, Wishes(sessions=2)))[1]
    for shown in (b for b in page.blocks if isinstance(b, Map)):
        assert {d.label for d in shown.discs} == {"11", "B", "2", "1"}
    words = said(page)
    assert "B: neu links" in words
    assert ": BM" not in "".join(line for line in page.said if "neu links" in line and "not in session" not in line)


def test_every_page_of_a_plan_says_estimate_and_others_do_not(tmp_path: Path) -> None:
    findings = with_follow_up(planned(found(tmp_path), Wishes(sessions=2)))
    made = pages_of(findings)
    assert len(made) == 3
    for page in made:
        assert "ESTIMATE - NOT FOR TREATMENT" in page.said
    assert "session (estimate)" in made[0].said
    without = said(pages_of(found(tmp_path / "without"))[0])
    assert "ESTIMATE" not in without
    assert "estimate" not in without


def test_the_diameter_that_decided_stands_beside_the_prescription(tmp_path: Path) -> None:
    findings = planned(found(tmp_path), Wishes(sessions=2))
    text = pages_of(findings)[0].said
    for lesion in findings.lesions:
        assert lesion.max_diameter_3d_mm != lesion.long_axis_mm
        assert f"{lesion.max_diameter_3d_mm:.1f}" in text


def test_outlines_that_readings_disagree_on_are_dashed_and_the_legend_says_so(tmp_path: Path) -> None:
    findings = found(tmp_path, 3)
    (page,) = pages_of(findings)
    unsure = {colours(findings)[n.number] for n in findings.lesions if n.agreement is not None and n.agreement < 0.7}
    outlines = [o for picture in page.pictures for o in picture.outlines]
    assert unsure
    assert {o.rgb for o in outlines if o.dashed} == unsure
    assert unsure.isdisjoint(o.rgb for o in outlines if not o.dashed)
    assert "Dashed: " in said(page)
    sure = tuple(replace(n, agreement=0.9) for n in findings.lesions)
    assert "Dashed: " not in said(pages_of(replace(findings, lesions=sure))[0])


def test_a_dashed_outline_has_gaps() -> None:
    square = np.array([(20, 30), (60, 30), (60, 50), (20, 50)], float)

    def green(dashed: bool) -> int:
        outline = Outline(square, (0, 255, 0), dashed=dashed)
        image = np.zeros((100, 100), np.float32)
        drawn = draw(Page((Picture(Box(200, 300, 500, 500), image, 1.0, ("R", "L", "A", "P"), (outline,)),)))
        return int((drawn[..., 1] > 150).sum())

    assert 0.3 < green(True) / green(False) < 0.8


def test_sessions_keep_their_colours_when_a_lesion_is_in_all_of_them(tmp_path: Path) -> None:
    bare = found(tmp_path, 4)
    name = bare.lesions[0].short_label
    findings = planned(bare, Wishes(sessions=3), gy={name: (27.0, 3)})
    assert findings.planned is not None
    captions = [b for b in pages_of(findings)[1].blocks if isinstance(b, Text) and b.words.startswith("Session ")]
    assert len({b.rgb for b in captions}) == 3
    red, green, blue = colours(findings)[findings.lesions[0].number]
    assert max(red, green, blue) - min(red, green, blue) < 60  # pale: the colour of no session


def squared_after(planned_for: Planned, why: Why) -> float:
    """Sum over sessions and brain of the squared doses, were the lesion where it is not (one fraction each)."""
    doses, outside = planned_for.case.brain_doses()
    rows = {n.name: k for k, n in enumerate(planned_for.case.lesions)}
    total = 0.0
    for session in planned_for.plan.sessions:
        there = {rows[name] for name in session.lesions} - {rows[why.lesion]}
        there |= {rows[why.lesion]} if session.number == why.session else set()
        total += float((doses[sorted(there)][:, outside].sum(axis=0, dtype=np.float64) ** 2).sum())
    return total


def test_the_reasons_that_weigh_most_come_first(tmp_path: Path) -> None:
    findings = planned(found(tmp_path, 8), Wishes(sessions=2))
    assert findings.planned is not None
    costs = [squared_after(findings.planned, w) for w in weightiest(findings.planned)]
    assert len(costs) > 2
    assert costs == pytest.approx(sorted(costs, reverse=True), rel=1e-5)
    assert costs[0] == pytest.approx(max(squared_after(findings.planned, w) for w in findings.planned.plan.why))
    pairs = [frozenset({w.lesion, w.other}) for w in weightiest(findings.planned)]
    assert len(set(pairs)) == len(pairs)


def test_the_dose_is_shown_where_its_12_gy_are_widest_and_not_where_it_is_highest(tmp_path: Path) -> None:
    source = read_source(found(tmp_path, 1))
    slices = slices_of(found(tmp_path, 1), source)
    shape = (24, 64, 60)
    brain = np.ones(shape, bool)
    grid = brain_grid(brain, GRID.affine, 1.0)
    gy = np.zeros(grid.brain.shape, np.float32)
    gy[5, 10, 10] = 40.0
    gy[14:19, 20:40, 20:40] = 13.0
    gy[16, 18:42, 18:42] = 13.0
    assert fullest(slices, gy, grid) == 16
    assert fullest(slices, np.where(gy > 20, gy, 0) * 0.2, grid) == 5


def test_no_page_is_nearly_empty_where_smaller_pictures_spare_it(tmp_path: Path) -> None:
    findings = planned(found(tmp_path, 12), Wishes(sessions=2))
    for extra in range(0, 13, 3):
        remarks = tuple(f"Remark {k} of this test." for k in range(extra))
        made = pages_of(replace(findings, remarks=remarks))
        assert len(made) == 2, extra
        assert said(made[0]).count(" of this test.") == extra


def test_lesions_at_the_brainstem_are_remarked_where_they_are_prescribed_for(tmp_path: Path) -> None:
    bare = found(tmp_path, 3)
    lesions = (replace(bare.lesions[0], distances_mm={"brainstem": 0.0}), *bare.lesions[1:])
    findings = planned(replace(bare, lesions=lesions), Wishes(sessions=2))
    name = lesions[0].short_label
    words = f"In or at the brainstem, where less is usually prescribed than by diameter alone: {name} (20 Gy in 1)."
    assert all(words in page.said for page in pages_of(findings))
    excluded = planned(replace(bare, lesions=lesions), Wishes(sessions=2, excluded=frozenset({name})))
    assert "usually prescribed" not in "".join(map(said, pages_of(excluded)))


def test_what_is_not_planned_stands_in_red_on_the_page_of_the_plan(tmp_path: Path) -> None:
    remark = "NOT PLANNED, for neither type nor name says that it is a tumour: neu links."
    findings = replace(planned(found(tmp_path), Wishes(sessions=2)), remarks=(remark,))
    for page in pages_of(findings):
        (line,) = (b for b in page.blocks if isinstance(b, Text) and b.words == remark)
        assert line.bold
        assert line.rgb == RED


def test_a_plan_alone_shows_prescriptions_volumes_and_what_is_left_out(tmp_path: Path) -> None:
    findings = planned(found(tmp_path), Wishes(sessions=2))
    assert findings.planned is not None
    remark = "NOT PLANNED, for neither type nor name says that it is a tumour: neu links."
    sheets = plan_sheets(shown_alone(replace(findings.planned, remarks=(remark,)), ()))
    texts = [b for sheet in sheets for b in sheet.blocks if isinstance(b, Text)]
    words = [b.words for b in texts]
    assert [b.rgb for b in texts if b.words == remark] == [RED]
    for lesion in findings.planned.case.lesions:
        assert f"{lesion.target.volume_mm3 / 1000:.2f}" in words
    assert words.count("20 Gy in 1") == 3
    assert any("alpha/beta 2 Gy" in line and "of the brain the mean" in line for line in words)


def test_contours_of_people_are_drawn_and_not_found(tmp_path: Path) -> None:
    findings = found(tmp_path)
    changes = tuple(Correction(Edit.UNCHANGED, n.label, n.tracking_uid, n.origin, "") for n in findings.lesions)
    made = replace(findings, corrections=Corrections("Editor", "1.2", "1.3", "1.4", changes, True))
    assert "Lesions drawn: 3" in pages_of(made)[0].said
    assert "Lesions drawn: 3." in texts_of(encode(made, STAMP)[-1])


def test_a_shorter_name_is_explained_where_a_lesion_has_one(tmp_path: Path) -> None:
    findings = found(tmp_path)
    words = "there BM01_L_CEREBELLUM is BM01_L_CEREB."
    assert words in said(pages_of(findings)[0])
    assert words in texts_of(encode(findings, STAMP)[-1])
