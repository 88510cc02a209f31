from pipeline.core.forms import DEFAULT_FORM, Coordinates, Form, Holes, Segments
from pipeline.core.result import Kind


def tokens(form: Form) -> dict[Kind, str]:
    return {kind: token for kind in Kind if (token := form.token(kind))}


def test_the_default_form_leaves_no_mark_on_any_kind() -> None:
    assert tokens(DEFAULT_FORM) == {}


def test_a_form_marks_what_it_changes_and_what_refers_to_that() -> None:
    assert tokens(Form(segments=Segments.LABELMAP)).keys() == {Kind.SEG, Kind.KO, Kind.SR}
    assert tokens(Form(holes=Holes.XOR)).keys() == {Kind.RTSTRUCT, Kind.RTDOSE, Kind.KO, Kind.SR}
    assert tokens(Form(coordinates=Coordinates.IMAGE)).keys() == {Kind.KO, Kind.SR}
    assert tokens(Form(left_out=frozenset({Kind.PM}))).keys() == {Kind.KO, Kind.SR, Kind.CAD_SR}


def test_what_is_left_out_marks_others_only_by_its_absence() -> None:
    without = frozenset({Kind.SEG})
    plain = Form(left_out=without)
    assert Form(segments=Segments.LABELMAP, all_frames=True, left_out=without).token(Kind.SR) == plain.token(Kind.SR)
    assert plain.token(Kind.SR) not in ("", Form(segments=Segments.LABELMAP).token(Kind.SR))


def test_kinds_that_are_never_made_do_not_tell_forms_apart() -> None:
    form = Form(Segments.LABELMAP, all_frames=True, left_out=frozenset({Kind.RTDOSE, Kind.CAD_SR}))
    assert form.without({Kind.RTDOSE, Kind.CAD_SR, Kind.SEG, Kind.RTSTRUCT}) == DEFAULT_FORM
    assert form.without({Kind.CAD_SR}).left_out == {Kind.RTDOSE}
    assert Form(per_lesion=True).without({Kind.SEG}).per_lesion
