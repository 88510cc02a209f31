"""The models that ship, on made-up mammograms: what was put in is marked at its place, and on no other side.

No figure of quality: the models were trained on such pictures too. It tells models that do not fit the code, a picture
that is turned or mirrored on its way to them, and marks that do not find the way back.
"""

from __future__ import annotations

import math

import pytest

from pipeline.contract import Inputs, Runtime
from pipeline.core.study import group
from pipeline.datasets.mg_study import write_study
from pipeline.imaging.header import read_header
from pipeline.marks import Kind, Laterality, MarkedStudy
from pipeline.phantom.mammogram import MammogramStudy, Plan, Shape, mammogram_study
from pipeline.recipes.mammography.recipe import Mammography

ROLES = ("R-CC", "L-CC")


@pytest.fixture(scope="module", params=list(Laterality))
def made(request: pytest.FixtureRequest) -> MammogramStudy:
    plans = [Plan(Shape.SPICULATED, request.param, 18.0, distance_mm=45)]
    return mammogram_study(11, plans, spacing_mm=0.14, roles=ROLES)


@pytest.fixture(scope="module")
def found(made: MammogramStudy, tmp_path_factory: pytest.TempPathFactory) -> MarkedStudy:
    files = write_study(made, tmp_path_factory.mktemp("made"))
    pipeline = Mammography()
    inputs = pipeline.select(group([read_header(path) for path in files.values()])[0], {})
    assert isinstance(inputs, Inputs), inputs
    marked = pipeline.run(inputs, Runtime())
    assert isinstance(marked, MarkedStudy)
    return marked


def test_the_first_mark_lies_on_what_was_put_in(made: MammogramStudy, found: MarkedStudy) -> None:
    (view,) = [v for v in made.views if v.findings]
    first = max(found.marks, key=lambda m: m.score)
    assert first.role == view.role
    assert first.kind is Kind.MASS
    truth = view.findings[0]
    assert math.dist(first.center_px, view.hung_px(truth.center_px)) < truth.radius_px / 2


def test_the_breast_with_it_is_the_suspicious_one(made: MammogramStudy, found: MarkedStudy) -> None:
    scores = {breast.laterality: breast.score for breast in found.breasts}
    (view,) = [v for v in made.views if v.findings]
    assert scores[view.laterality] > scores[view.laterality.other] + 0.3
