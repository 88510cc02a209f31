"""The template checker finds planted faults, each one small edit of a good report, and none in a good one (bar 3)."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode import Part, encode
from pipeline.encode.mammo import items
from pipeline.marks import MarkedStudy
from pipeline.templates import check_mammography_cad
from pipeline.templates.mammography import TEMPLATES
from tests.support.findings import STAMP
from tests.support.mammograms import marked, unmarked, write_study, write_view

D = codes.DCM


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, list[Dataset]]:
    """A report with composites, lone, rejected, failed and not attempted; and the headers of its images."""
    views = write_study(tmp_path_factory.mktemp("views"))
    return _cad(marked(views)), [dcmread(v.path, stop_before_pixels=True) for v in views]


def _cad(study: MarkedStudy) -> Dataset:
    return next(e.dataset for e in encode(study, STAMP) if e.part is Part.CAD_SR)


def _all(ds: Dataset, name: str) -> list[Dataset]:
    """Content items of that name, from the root on."""
    found = []
    for item in ds.get("ContentSequence") or []:
        named = item.get("ConceptNameCodeSequence")
        found += [item] if named and named[0].CodeValue == name else []
        found += _all(item, name)
    return found


def _first(ds: Dataset, name: str) -> Dataset:
    return _all(ds, name)[0]


def _drop(parent: Dataset, name: str, which: int = 0) -> None:
    there = [i for i in parent.ContentSequence if _name(i) == name]
    parent.ContentSequence = [i for i in parent.ContentSequence if i is not there[which]]


def _name(item: Dataset) -> str:
    named = item.get("ConceptNameCodeSequence")
    return str(named[0].CodeValue) if named else ""


def _set(item: Dataset, value: Code) -> None:
    code = item.ConceptCodeSequence[0]
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value


def _code(item: Dataset, value: str, scheme: str = "DCM", meaning: str = "x") -> None:
    code = item.ConceptCodeSequence[0]
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning


Edit = Callable[[Dataset], None]
FINDING, FEATURE, IMPRESSION, INTENT, LIBRARY = "111059", "111015", "111034", "111056", "111028"


def _no_language(ds: Dataset) -> None:
    _drop(ds, "121049")


def _no_library(ds: Dataset) -> None:
    _drop(ds, LIBRARY)


def _two_summaries(ds: Dataset) -> None:
    ds.ContentSequence.append(deepcopy(_first(ds, "111065")))


def _order(ds: Dataset) -> None:
    ds.ContentSequence.insert(2, ds.ContentSequence.pop(-1))


def _summary_value(ds: Dataset) -> None:
    _code(_first(ds, "111017"), "111222", meaning="Succeeded")


def _summary_contradicts(ds: Dataset) -> None:
    _code(_first(ds, "111017"), "111242", meaning="All algorithms succeeded; with findings")


def _summary_without_findings(ds: Dataset) -> None:
    _code(_first(ds, "111017"), "111243", meaning="Not all algorithms succeeded; without findings")


def _not_attempted_but_listed(ds: Dataset) -> None:
    _code(_first(ds, "111064"), "111225", meaning="Not Attempted")


def _no_detections(ds: Dataset) -> None:
    del _first(ds, "111065").ContentSequence


def _no_algorithm_version(ds: Dataset) -> None:
    _drop(_first(ds, FINDING), "111003")


def _no_intent(ds: Dataset) -> None:
    _drop(_first(ds, FINDING), INTENT)


def _intent_as_property(ds: Dataset) -> None:
    _first(_first(ds, FINDING), INTENT).RelationshipType = "HAS PROPERTIES"


def _finding_code(ds: Dataset) -> None:
    _code(_first(ds, FINDING), "129788004", "SCT", "Mammographic breast mass")


def _certainty_out_of_range(ds: Dataset) -> None:
    _first(ds, "111012").MeasuredValueSequence[0].NumericValue = "163"


def _certainty_unit(ds: Dataset) -> None:
    unit = _first(ds, "111012").MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
    unit.CodeValue, unit.CodeMeaning = "1", "no units"


def _no_center(ds: Dataset) -> None:
    _drop(_first(ds, FINDING), "111010")


def _center_as_line(ds: Dataset) -> None:
    center = _first(ds, "111010")
    center.GraphicType, center.GraphicData = "POLYLINE", [1.0, 1.0, 2.0, 2.0]


def _odd_outline(ds: Dataset) -> None:
    outline = _first(ds, "111041")
    outline.GraphicData = list(outline.GraphicData)[:-1]


def _outside(ds: Dataset) -> None:
    _first(ds, "111010").GraphicData = [500.0, 10.0]


def _image_by_value(ds: Dataset) -> None:
    image = _first(ds, LIBRARY).ContentSequence[0].ReferencedSOPSequence[0]
    by_value = items.image(items.SELECTED, image.ReferencedSOPClassUID, image.ReferencedSOPInstanceUID)
    _first(ds, "111010").ContentSequence = [by_value]


def _reference_to_nothing(ds: Dataset) -> None:
    _first(ds, "111010").ContentSequence[0].ReferencedContentItemIdentifier = [1, 2, 9]


def _reference_beside_the_library(ds: Dataset) -> None:
    _first(ds, "111010").ContentSequence[0].ReferencedContentItemIdentifier = [1, 2]


def _loop(ds: Dataset) -> None:
    _first(ds, "111017").ContentSequence.append(items.pointer(items.INFERRED, (1, 3)))


def _contains_by_reference(ds: Dataset) -> None:
    _first(ds, IMPRESSION).ContentSequence.append(items.pointer(items.CONTAINS, (1, 2, 1)))


def _empty_impression(ds: Dataset) -> None:
    _drop(_first(ds, IMPRESSION), FEATURE)


def _no_body(ds: Dataset) -> None:
    _drop(_first(ds, IMPRESSION), "111033")


def _text_in_the_root(ds: Dataset) -> None:
    ds.ContentSequence.append(items.text(items.CONTAINS, D.Comment, "research use only"))


def _observer_in_the_root(ds: Dataset) -> None:
    ds.ContentSequence.insert(1, items.coded("HAS OBS CONTEXT", D.ObserverType, D.Device))


def _composite_type_missing(ds: Dataset) -> None:
    _drop(_first(ds, FEATURE), "111016")


def _composite_of_nothing(ds: Dataset) -> None:
    feature = _first(ds, FEATURE)
    feature.ContentSequence = [i for i in feature.ContentSequence if _name(i) != FINDING]


def _temporal_difference(ds: Dataset) -> None:
    name = next(iter(codes.cid6037.concepts.values()))
    item = items.number(items.PROPERTY, name, 1.0, codes.UCUM.Millimeter)
    feature = _first(ds, FEATURE)
    at = next(k for k, i in enumerate(feature.ContentSequence) if _name(i) == FINDING)
    feature.ContentSequence.insert(at, item)


def _cluster_of_a_density(ds: Dataset) -> None:
    item = items.coded(items.PROPERTY, D.CalcificationDistribution, next(iter(codes.cid6012.concepts.values())))
    _first(ds, FINDING).ContentSequence.append(item)


def _cancer_of_a_non_lesion(ds: Dataset) -> None:
    finding = _first(ds, FINDING)
    _code(finding, "111102", meaning="Non-lesion")
    at = next(k for k, i in enumerate(finding.ContentSequence) if _name(i) == "111010")
    finding.ContentSequence.insert(at, items.number(items.PROPERTY, D.ProbabilityOfCancer, 50))


def _detection_value(ds: Dataset) -> None:
    _code(_first(ds, "111022"), "133887000", "SCT", "Image quality analysis")


def _detection_without_images(ds: Dataset) -> None:
    detection = _first(ds, "111022")
    detection.ContentSequence = [i for i in detection.ContentSequence if "ReferencedContentItemIdentifier" not in i]


def _detections_alike(ds: Dataset) -> None:
    box = _first(ds, "111063")
    box.ContentSequence.append(deepcopy(box.ContentSequence[0]))


def _no_laterality(ds: Dataset) -> None:
    _drop(_first(ds, LIBRARY).ContentSequence[0], "111027")


def _laterality_value(ds: Dataset) -> None:
    _code(_first(ds, "111027"), "24028007", "SCT", "Right")


def _laterality_of_the_other_breast(ds: Dataset) -> None:
    _code(_first(ds, "111027"), "80248007", "SCT", "Left breast")  # of R-CC


def _another_view(ds: Dataset) -> None:
    _code(_first(ds, "111031"), "399368009", "SCT", "medio-lateral oblique")  # of R-CC


def _scope_of_one_image(ds: Dataset) -> None:
    _code(_first(ds, "111057"), "111157", meaning="Feature detected on only one of the images")


def _scope_of_the_only_image(ds: Dataset) -> None:
    _code(_first(ds, "111057"), "111156", meaning="Feature detected on the only image")


def _scope_of_several_images(ds: Dataset) -> None:
    """Both findings of the composite, drawn on the first image."""
    for finding in _all(_first(ds, FEATURE), FINDING):
        for name in ("111010", "111041"):
            _first(finding, name).ContentSequence[0].ReferencedContentItemIdentifier = [1, 2, 1]


def _spacing_as_text(ds: Dataset) -> None:
    entry = _first(ds, LIBRARY).ContentSequence[0]
    at = next(k for k, i in enumerate(entry.ContentSequence) if _name(i) == "111026")
    entry.ContentSequence[at] = items.text(items.ACQUIRED, D.HorizontalPixelSpacing, "0.1 mm")


def _image_twice(ds: Dataset) -> None:
    library = _first(ds, LIBRARY)
    library.ContentSequence.append(deepcopy(library.ContentSequence[0]))


def _not_in_evidence(ds: Dataset) -> None:
    image = _first(ds, LIBRARY).ContentSequence[3]
    image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"


def _value_type(ds: Dataset) -> None:
    item = _first(ds, "111060")
    item.ValueType, item.DateTime = "DATETIME", "20260102101112"


def _template_not_named(ds: Dataset) -> None:
    del ds.ContentTemplateSequence


def _empty_text(ds: Dataset) -> None:
    _first(ds, "111001").TextValue = ""


def _operating_point(ds: Dataset) -> None:
    point = items.number(items.PROPERTY, D.CADOperatingPoint, 1, Code("{1:3}", "UCUM", "range: 1:3"))
    _first(_first(ds, FINDING), INTENT).ContentSequence = [point]


PLANTS: tuple[tuple[Edit, str], ...] = (
    (_no_language, "TID 4000 row 2"),
    (_no_library, "TID 4000 row 3"),
    (_two_summaries, "Summary of Analyses is there 2 times"),
    (_order, "the order is significant"),
    (_summary_value, "is not in CID 6047"),
    (_summary_contradicts, "says that all algorithms succeeded"),
    (_summary_without_findings, "says without findings"),
    (_not_attempted_but_listed, "TID 4000 row 7"),
    (_no_detections, "TID 4000 row 9"),
    (_no_algorithm_version, "TID 4019 row 2"),
    (_no_intent, "TID 4006 row 2"),
    (_intent_as_property, "shall be HAS CONCEPT MOD (TID 4006 row 2)"),
    (_finding_code, "is not in CID 6014"),
    (_certainty_out_of_range, "163 is out of range"),
    (_certainty_unit, "the unit is '1', and shall be %"),
    (_no_center, "TID 4021 row 1"),
    (_center_as_line, "shall be POINT"),
    (_odd_outline, "numbers do not make a POLYLINE"),
    (_outside, "outside the image"),
    (_image_by_value, "by reference"),
    (_reference_to_nothing, "leads nowhere"),
    (_reference_beside_the_library, "the value type is CONTAINER, and shall be IMAGE"),
    (_loop, "a loop"),
    (_contains_by_reference, "it is by reference, which this relationship may not be"),
    (_empty_impression, "TID 4003 row 4"),
    (_no_body, "TID 4002 row 1"),
    (_text_in_the_root, "not extensible"),
    (_observer_in_the_root, "not extensible"),
    (_composite_type_missing, "TID 4005 row 1"),
    (_composite_of_nothing, "TID 4004 row I1"),
    (_temporal_difference, "TID 4005 row 11"),
    (_cluster_of_a_density, "TID 4006 row 13"),
    (_cancer_of_a_non_lesion, "TID 4006 row 7"),
    (_detection_value, "is not in CID 6014"),
    (_detection_without_images, "TID 4017 row 4"),
    (_detections_alike, "same algorithm identification"),
    (_no_laterality, "TID 4020 row 2"),
    (_laterality_value, "is not in CID 6022"),
    (_laterality_of_the_other_breast, "the Image Laterality of the image is R, another side (TID 4020 row 2)"),
    (_another_view, "the View Code of the image is another one (TID 4020 row 3)"),
    (_scope_of_one_image, "on one image, and its findings are on several (TID 4005 row 2, CID 6036)"),
    (_scope_of_the_only_image, "on one image, and its findings are on several (TID 4005 row 2, CID 6036)"),
    (_scope_of_several_images, "on several images, and all of its findings are on one (TID 4005 row 2, CID 6036)"),
    (_spacing_as_text, "the value type is TEXT, and shall be NUM (TID 4020 row 11)"),
    (_image_twice, "in the Image Library twice"),
    (_not_in_evidence, "not among the evidence"),
    (_value_type, "the value type DATETIME is not allowed"),
    (_template_not_named, "does not name template 4000"),
    (_empty_text, "the TEXT has no value"),
    (_operating_point, "TID 4006 row 3"),
)


SHIFTING = (_no_language, _no_library, _observer_in_the_root)
"""They move the Image Library, and every reference to it breaks."""


@pytest.mark.parametrize(("edit", "said"), PLANTS, ids=[edit.__name__.strip("_") for edit, _ in PLANTS])
def test_a_planted_fault_is_found_and_named(good: tuple[Dataset, list[Dataset]], edit: Edit, said: str) -> None:
    report = deepcopy(good[0])
    edit(report)
    faults = [str(fault) for fault in check_mammography_cad(report, good[1])]
    assert any(said in fault for fault in faults), "\n".join(faults) or "no fault found"
    assert len(faults) <= 4 or edit in SHIFTING, "\n".join(faults)


def test_the_report_that_faults_are_planted_in_has_none(good: tuple[Dataset, list[Dataset]]) -> None:
    assert [str(f) for f in check_mammography_cad(good[0], good[1])] == []


@pytest.mark.parametrize("roles", [("R-MLO",), ("L-CC", "L-MLO"), ("R-CC", "L-CC", "R-MLO", "L-MLO")])
def test_reports_without_marks_have_no_faults(tmp_path: Path, roles: tuple[str, ...]) -> None:
    views = write_study(tmp_path, roles)
    attempts = unmarked(views).attempts
    study = unmarked(views, attempts=tuple(type(a)(a.what, a.outcome, roles) for a in attempts))
    images = [dcmread(v.path, stop_before_pixels=True) for v in views]
    assert [str(f) for f in check_mammography_cad(_cad(study), images)] == []


def test_images_that_say_less_of_themselves_make_reports_without_faults(tmp_path: Path) -> None:
    bare = {"PatientOrientation": None, "ImagerPixelSpacing": None, "ContentDate": None, "StudyTime": ""}
    views = (write_view(tmp_path, "R-CC", **bare), *write_study(tmp_path, ("L-CC", "R-MLO", "L-MLO")))
    images = [dcmread(v.path, stop_before_pixels=True) for v in views]
    assert [str(f) for f in check_mammography_cad(_cad(marked(views)), images)] == []


def test_images_whose_headers_name_no_side_and_no_view_of_the_group_contradict_nothing(
    good: tuple[Dataset, list[Dataset]],
) -> None:
    report, images = deepcopy(good[0]), deepcopy(good[1])
    _laterality_of_the_other_breast(report)
    _another_view(report)
    for image in images:
        image.ImageLaterality = ""
        image.ViewCodeSequence[0].CodeValue, image.ViewCodeSequence[0].CodingSchemeDesignator = "RCC", "99OWN"
    assert [str(f) for f in check_mammography_cad(report, images)] == []


def test_view_codes_of_the_older_snomed_are_the_same_views(good: tuple[Dataset, list[Dataset]]) -> None:
    images = deepcopy(good[1])
    old = {"399162004": "R-10242", "399368009": "R-10226"}
    for image in images:
        code = image.ViewCodeSequence[0]
        code.CodeValue, code.CodingSchemeDesignator = old[code.CodeValue], "SNM3"
    assert [str(f) for f in check_mammography_cad(good[0], images)] == []


def test_a_composite_whose_findings_name_no_image_may_be_on_several(good: tuple[Dataset, list[Dataset]]) -> None:
    report = deepcopy(good[0])
    first, second = _all(_first(report, FEATURE), FINDING)
    second.ContentSequence = [i for i in second.ContentSequence if _name(i) not in ("111010", "111041")]
    faults = [str(f) for f in check_mammography_cad(report, good[1])]
    assert not [f for f in faults if "scope" in f], faults
    assert first is not second


NEEDED = (
    "ValueType", "RelationshipType", "ConceptNameCodeSequence", "ConceptCodeSequence", "TextValue", "GraphicType",
    "MeasuredValueSequence", "GraphicData", "ReferencedSOPSequence", "ContinuityOfContent",
    "ReferencedContentItemIdentifier",
)  # fmt: skip
"""What a content item cannot be without."""


def _everything(ds: Dataset) -> list[Dataset]:
    return [i for item in ds.get("ContentSequence") or [] for i in (item, *_everything(item))]


def test_an_attribute_that_is_missing_anywhere_is_found(good: tuple[Dataset, list[Dataset]]) -> None:
    """Every 17th of the 868 that there are; all of them were tried once, and all were found."""
    places = [(n, k) for n, item in enumerate(_everything(good[0])) for k in NEEDED if k in item]
    unseen = []
    for n, keyword in places[::17]:
        report = deepcopy(good[0])
        delattr(_everything(report)[n], keyword)
        if not check_mammography_cad(report, good[1]):
            unseen.append((n, keyword))
    assert unseen == []


def test_a_document_of_another_kind_is_full_of_faults() -> None:
    assert len(check_mammography_cad(Dataset())) > 5


def test_a_report_that_nests_without_end_is_still_answered(good: tuple[Dataset, list[Dataset]]) -> None:
    report = deepcopy(good[0])
    item = _first(report, FEATURE)
    for _ in range(300):
        deeper = items.coded(items.INFERRED, D.CompositeFeature, codes.cid6016.CalcificationCluster)
        item.ContentSequence = [*(item.get("ContentSequence") or []), deeper]
        item = deeper
    assert check_mammography_cad(report)


def test_every_template_from_4000_to_4023_is_there_and_says_where_it_was_read() -> None:
    assert {tid for tid in TEMPLATES if tid >= 4000} == set(range(4000, 4024))
    assert all(template.source for template in TEMPLATES.values())
