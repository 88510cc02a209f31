"""Which contexts the node offers, and in whose order."""

from __future__ import annotations

import pydicom.uid as u
import pytest
from pynetdicom import build_context
from pynetdicom import sop_class as sop

from node import syntaxes
from node.syntaxes import (
    LOSSLESS,
    SAMPLES,
    UNCOMPRESSED,
    decodes,
    in_senders_order,
    readable_syntaxes,
    supported_contexts,
)


@pytest.mark.parametrize("uid", [u.RLELossless, u.JPEGLSLossless, u.JPEG2000Lossless, u.JPEGLosslessSV1, u.JPEG2000])
def test_the_syntaxes_that_our_requirements_bring_a_decoder_for_are_readable(uid: str) -> None:
    assert uid in readable_syntaxes()


def test_a_syntax_whose_sample_comes_back_wrong_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    other_frame = SAMPLES[u.JPEGBaseline8Bit][0]
    monkeypatch.setitem(syntaxes.SAMPLES, u.JPEGExtended12Bit, (other_frame, 12, 32))
    assert not decodes(u.JPEGExtended12Bit)
    assert u.JPEGExtended12Bit not in readable_syntaxes()


def test_a_syntax_whose_sample_is_torn_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(syntaxes.SAMPLES, u.JPEG2000Lossless, ("eJwDAAAAAAE=", 12, 0))
    assert u.JPEG2000Lossless not in readable_syntaxes()


def test_lossless_means_that_pixels_come_back_exactly() -> None:
    assert u.JPEGBaseline8Bit not in LOSSLESS
    assert u.HTJ2K not in LOSSLESS
    assert {u.RLELossless, u.JPEGLosslessSV1, *UNCOMPRESSED} <= LOSSLESS


def test_each_sop_class_has_one_context_and_only_images_are_taken_compressed() -> None:
    contexts = {c.abstract_syntax: c.transfer_syntax for c in supported_contexts()}
    assert len(contexts) == len(supported_contexts())
    assert u.RLELossless in contexts[sop.LabelMapSegmentationStorage]
    assert set(contexts[sop.Comprehensive3DSRStorage]) == set(UNCOMPRESSED)
    assert all(set(UNCOMPRESSED) <= set(syntaxes) for syntaxes in contexts.values())


def test_the_senders_first_readable_syntax_is_taken() -> None:
    proposed = [build_context(sop.MRImageStorage, [u.MPEG2MPML, u.JPEGLSLossless, u.ImplicitVRLittleEndian])]
    ordered = in_senders_order(supported_contexts(), proposed)
    assert [c.abstract_syntax for c in ordered] == [sop.MRImageStorage]
    assert ordered[0].transfer_syntax[:2] == [u.JPEGLSLossless, u.ImplicitVRLittleEndian]


def test_a_sop_class_proposed_twice_is_ordered_by_its_first_mention() -> None:
    proposed = [
        build_context(sop.CTImageStorage, [u.JPEG2000Lossless]),
        build_context(sop.CTImageStorage, [u.ExplicitVRLittleEndian, u.JPEG2000Lossless]),
    ]
    (only,) = in_senders_order(supported_contexts(), proposed)
    assert only.transfer_syntax[:2] == [u.JPEG2000Lossless, u.ExplicitVRLittleEndian]
