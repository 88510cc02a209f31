"""Which form a destination gets, and what the admin is told: only from what it takes and what is wished."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from node import sent
from node.choose import choose
from node.sent import CAD_SR, GSPS, KO, LABELMAP, PM, RTDOSE, RTSTRUCT, SC, SEG, SR_2D, SR_3D, Sent
from pipeline.core.forms import DEFAULT_FORM, Coordinates, Form, Holes, Segments
from pipeline.core.profile import Profile, Refused
from pipeline.core.result import Kind
from pipeline.core.wishes import CoordinatesWish, FramesWish, ObjectsWish, PageWish, SegmentsWish, Wishes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BRAIN = frozenset({SEG, RTSTRUCT, SR_3D})
BREASTS = frozenset({CAD_SR, GSPS, SR_2D})


def takes(*classes: Sent, syntax: str = str(ExplicitVRLittleEndian)) -> Profile:
    return Profile("PACS@here:104", NOW, NOW, frozenset((c.sop_class_uid, syntax) for c in classes))


def but(*refused: Sent) -> Profile:
    return takes(*(s for s in sent.ALL if s not in refused))


def answering(*refused: Sent, profile: Profile | None = None, status: int = 0x0122) -> Profile:
    """It negotiates everything, or what `profile` says, and refuses some by status."""
    return replace(profile or but(), refused=tuple(Refused(s.sop_class_uid, status, NOW) for s in refused))


def test_a_destination_that_takes_everything_gets_the_default_form_and_nothing_is_said() -> None:
    for made in (BRAIN, BREASTS, sent.USUAL, {SR_3D}):
        choice = choose(made, "pacs", but(), Wishes())
        assert choice.form == DEFAULT_FORM
        assert choice.told == ()
        assert choice.gets == made


def test_without_segmentation_it_gets_structures_report_and_a_page_and_the_admin_is_told() -> None:
    choice = choose(BRAIN, "PACS2", but(SEG, LABELMAP), Wishes())
    assert choice.form == Form(left_out=frozenset({Kind.SEG}), page=True)
    assert choice.gets == {RTSTRUCT, SR_3D, SC}
    assert choice.told == (
        "PACS2 takes no Segmentation (1.2.840.10008.5.1.4.1.1.66.4) and no Label Map Segmentation "
        "(1.2.840.10008.5.1.4.1.1.66.7): it gets RT Structure Set, Comprehensive 3D SR and Secondary Capture instead.",
    )


def test_a_label_map_is_better_than_no_segmentation() -> None:
    choice = choose(BRAIN, "pacs", but(SEG), Wishes())
    assert choice.form == Form(segments=Segments.LABELMAP)
    assert "gets Label Map Segmentation instead" in choice.told[0]


@pytest.mark.parametrize(("syntax", "taken"), [(RLELossless, True), (JPEG2000Lossless, False)])
def test_a_class_that_is_only_taken_in_a_syntax_that_we_do_not_write_is_not_taken(syntax: str, taken: bool) -> None:
    both = takes(LABELMAP, syntax=str(syntax)).accepted | but(SEG, LABELMAP).accepted
    choice = choose(BRAIN, "pacs", Profile("PACS@here:104", NOW, NOW, both), Wishes())
    assert (LABELMAP in choice.gets) is taken


def test_a_report_in_space_that_is_refused_becomes_one_on_images() -> None:
    choice = choose(BRAIN, "pacs", but(SR_3D), Wishes())
    assert choice.form == Form(coordinates=Coordinates.IMAGE)
    assert choice.gets == {SEG, RTSTRUCT, SR_2D}
    assert "takes no Comprehensive 3D SR" in choice.told[0]


def test_marks_have_only_a_report_on_images_and_its_form_is_the_default() -> None:
    assert choose(BREASTS, "pacs", but(SR_3D), Wishes()) == choose(BREASTS, "pacs", but(), Wishes())
    refused = choose(BREASTS, "pacs", but(SR_2D), Wishes())
    assert refused.form == Form(left_out=frozenset({Kind.SR}), page=True)


@pytest.mark.parametrize("refused", [RTSTRUCT, PM, RTDOSE, KO, GSPS, CAD_SR])
def test_every_other_kind_that_is_refused_is_left_out_and_named(refused: Sent) -> None:
    choice = choose(sent.USUAL, "pacs", but(refused), Wishes())
    assert choice.form.left_out == {refused.kind}
    assert len(choice.told) == 1
    assert refused.sop_class_uid in choice.told[0]


def test_a_page_comes_where_neither_cad_sr_nor_presentation_states_are_taken() -> None:
    assert choose(BREASTS, "pacs", but(CAD_SR, GSPS), Wishes()).form.page
    assert not choose(BREASTS, "pacs", but(CAD_SR), Wishes()).form.page


def test_where_nothing_but_pages_is_taken_the_pages_come_alone() -> None:
    choice = choose(BRAIN, "pacs", takes(SC), Wishes())
    assert choice.gets == {SC}
    assert choice.form == Form(left_out=frozenset({Kind.SEG, Kind.RTSTRUCT, Kind.SR}), page=True)


def test_pages_that_a_run_makes_anyway_make_no_form_of_their_own() -> None:
    choice = choose(BRAIN | {SC}, "pacs", but(SEG, LABELMAP), Wishes())
    assert not choice.form.page
    assert SC in choice.gets


def test_what_a_run_does_not_make_tells_no_forms_apart_and_is_not_missed() -> None:
    choice = choose({SR_3D}, "pacs", but(SEG, LABELMAP, RTSTRUCT, RTDOSE, SC), Wishes(objects=ObjectsWish.LESION))
    assert choice.form == DEFAULT_FORM
    assert choice.told == ()


def test_a_destination_that_takes_nothing_gets_the_default_form_and_a_loud_sentence() -> None:
    choice = choose(BRAIN, "pacs", takes(), Wishes())
    assert choice.form == DEFAULT_FORM
    assert "takes NOTHING" in choice.told[0]
    assert "PACS@here:104" in choice.told[0]


def test_nothing_is_assumed_of_a_destination_that_has_not_answered() -> None:
    silent = Profile("PACS@here:104", NOW, error="no connection")
    choice = choose(BRAIN, "pacs", silent, Wishes(page=PageWish.ALWAYS))
    assert choice.form == Form(page=True)
    assert "no connection" in choice.told[0]
    assert "has not said yet" in choose(BRAIN, "pacs", None, Wishes()).told[0]


def test_what_was_answered_before_stands_while_a_destination_is_silent() -> None:
    known = Profile("PACS@here:104", NOW, NOW, but(SEG, LABELMAP).accepted, error="no connection")
    assert Kind.SEG in choose(BRAIN, "pacs", known, Wishes()).form.left_out


def test_a_stow_service_counts_as_taking_everything() -> None:
    assert choose(BRAIN, "web", Profile("https://pacs/dicom-web", NOW, NOW), Wishes()).form == DEFAULT_FORM


def test_wishes_are_kept_where_the_destination_can_take_them() -> None:
    wishes = Wishes(
        SegmentsWish.LABELMAP, FramesWish.FULL, ObjectsWish.LESION, Holes.XOR, CoordinatesWish.IMAGE, PageWish.ALWAYS
    )
    choice = choose(BRAIN, "pacs", but(), wishes)
    assert choice.form == Form(Segments.LABELMAP, True, True, Holes.XOR, Coordinates.IMAGE, page=True)
    assert choice.told == ()
    assert choose(BRAIN, "pacs", but(), Wishes(SegmentsWish.NONE)).form.left_out == {Kind.SEG}


def test_a_wish_that_the_destination_contradicts_is_told() -> None:
    wishes = Wishes(SegmentsWish.LABELMAP, coordinates=CoordinatesWish.IMAGE, page=PageWish.ALWAYS)
    choice = choose(BRAIN, "pacs", but(LABELMAP, SR_2D, SC), wishes)
    assert choice.form == DEFAULT_FORM
    said = " ".join(choice.told)
    assert 'although it was to get segments = "labelmap"' in said
    assert 'although it was to get coordinates = "2d"' in said
    assert "no Secondary Capture" in said


def test_a_segmentation_refused_by_status_is_left_out_whatever_was_negotiated_and_a_label_map_is_not_guessed() -> None:
    choice = choose(BRAIN, "pacs", answering(SEG), Wishes())
    assert choice == replace(choose(BRAIN, "pacs", but(SEG, LABELMAP), Wishes()), told=choice.told)
    assert choice.told == (
        "pacs takes no Segmentation (1.2.840.10008.5.1.4.1.1.66.4: negotiated, but refused with 0x0122 on 2026-01-01; "
        "after `lantern destinations probe pacs` it is tried again) and no Label Map Segmentation "
        '(1.2.840.10008.5.1.4.1.1.66.7: not tried then; segments = "labelmap" does): '
        "it gets RT Structure Set, Comprehensive 3D SR and Secondary Capture instead.",
    )
    neither = choose(BRAIN, "pacs", answering(SEG, profile=but(LABELMAP)), Wishes())
    assert neither.form == choice.form
    assert "not tried" not in neither.told[0]


def test_who_asks_for_label_maps_has_them_tried_although_segmentations_were_refused_by_status() -> None:
    wishes = Wishes(segments=SegmentsWish.LABELMAP)
    assert LABELMAP in choose(BRAIN, "pacs", answering(SEG), wishes).gets
    assert SEG in choose(BRAIN, "pacs", answering(LABELMAP), wishes).gets
    assert {SEG, LABELMAP} & choose(BRAIN, "pacs", answering(SEG, LABELMAP), wishes).gets == set()


def test_a_report_in_space_refused_by_status_comes_on_images() -> None:
    choice = choose(BRAIN, "pacs", answering(SR_3D, status=0x0118), Wishes())
    assert choice.form == Form(coordinates=Coordinates.IMAGE)
    assert "refused with 0x0118" in choice.told[0]


@pytest.mark.parametrize("endpoint", ["PACS@here:104", "https://here/dicom-web"])
def test_what_was_refused_by_status_counts_also_where_nothing_was_negotiated(endpoint: str) -> None:
    probed_at = NOW if "://" in endpoint else None
    choice = choose(BRAIN, "pacs", answering(SEG, profile=Profile(endpoint, NOW, probed_at)), Wishes())
    assert choice.gets == {RTSTRUCT, SR_3D, SC}
    assert "refused with 0x0122" in " ".join(choice.told)
