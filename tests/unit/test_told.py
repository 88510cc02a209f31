"""What is read back from the content tree of a report."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from node.demo_shown import write_pages
from node.told import sessions_told, told
from pipeline.encode import Part, encode
from pipeline.findings import Extra
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    AGAINST,
    STAMP,
    Grid,
    findings_on,
    planned,
    sited,
    spheres,
    with_rejected,
    write_classic,
)

GRID = Grid((24, 44, 40))
LESIONS = spheres(GRID, ((10, 20, 20), 8.0), ((16, 30, 12), 5.0))
REJECTED = spheres(GRID, ((5, 30, 30), 4.0))


def test_lesions_and_rejected_candidates_come_back_as_they_were_found(tmp_path: Path) -> None:
    found = with_rejected(sited(findings_on(write_classic(tmp_path, GRID), GRID, LESIONS)), GRID, REJECTED)
    report = {e.part: e.dataset for e in encode(found, STAMP)}[Part.SR]
    *lesions, rejected = told(report)
    for lesion, t in zip(found.lesions, lesions, strict=True):
        assert lesion.site is not None
        assert (t.label, t.tracking_uid, t.rejected) == (lesion.label, lesion.tracking_uid, False)
        assert t.site == lesion.site.words
        assert t.volume_mm3 == pytest.approx(lesion.volume_mm3, abs=1e-3)
        assert t.size_mm == pytest.approx((lesion.long_axis_mm, lesion.short_axis_mm), abs=1e-3)
        assert (t.certainty, t.agreement) == pytest.approx((lesion.probability, lesion.agreement), abs=1e-4)
        assert t.nearest == "left cochlea 8 mm"
        assert t.is_unsure == (lesion.agreement == pytest.approx(0.6))
    assert rejected.rejected
    assert rejected.centre_mm == pytest.approx(found.rejected[0].centroid_mm, abs=1e-3)
    assert rejected.against == tuple(r.words for r in AGAINST)


def test_a_report_without_lesions_tells_of_none(tmp_path: Path) -> None:
    found = findings_on(write_classic(tmp_path, GRID), GRID, np.zeros(GRID.shape, np.uint16))
    (made,) = encode(found, STAMP)
    assert told(made.dataset) == ()


def test_what_was_not_measured_is_not_told(tmp_path: Path) -> None:
    found = replace(findings_on(write_classic(tmp_path, GRID), GRID, LESIONS))
    first, _ = told({e.part: e.dataset for e in encode(found, STAMP)}[Part.SR])
    assert (first.agreement, first.nearest, first.site, first.is_unsure) == (None, "", "brain", False)


def test_sessions_come_back_as_they_were_planned_and_pages_as_pictures(tmp_path: Path) -> None:
    found = planned(findings_on(write_classic(tmp_path, GRID), GRID, LESIONS), Wishes(sessions=2))
    assert found.planned is not None
    found = replace(found, extras=frozenset({Extra.PAGE}))
    made = encode(found, STAMP)
    report = next(e.dataset for e in made if e.part is Part.SR)
    sessions = sessions_told(report)
    assert [(s.number, s.day) for s in sessions] == [(s.number, s.day) for s in found.planned.plan.sessions]
    for told_of, session in zip(sessions, found.planned.plan.sessions, strict=True):
        assert told_of.v12_ml == pytest.approx(session.v12_ml, abs=1e-3)
        assert told_of.minutes == pytest.approx(session.minutes)
        assert [(t.fraction, t.fractions) for t in told_of.treated] == list(session.fractions.values())
        for t, name in zip(told_of.treated, session.lesions, strict=True):
            prescription = found.planned.prescription_of(name)
            assert prescription is not None
            assert t.label.startswith(name)
            assert t.gy == pytest.approx(prescription.per_session_gy, abs=1e-3)
    (tmp_path / "page-9.png").write_bytes(b"of a run before")
    names = write_pages([e.dataset for e in made], tmp_path)
    assert names == sorted(p.name for p in tmp_path.glob("page-*.png"))
    assert names[0] == "page-1.png"
    assert Image.open(tmp_path / names[0]).size == (1600, 1200)


def test_a_report_without_a_plan_tells_of_no_sessions(tmp_path: Path) -> None:
    found = findings_on(write_classic(tmp_path, GRID), GRID, LESIONS)
    assert sessions_told({e.part: e.dataset for e in encode(found, STAMP)}[Part.SR]) == ()
