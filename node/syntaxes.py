"""Which SOP Classes and transfer syntaxes the node accepts: those that it can read afterwards, tried out.

A context that could not be read later is refused at negotiation (PS3.8 9.3.3.2, result 3 or 4), not after. Whether a
decoder is there is decided by decoding a real frame: pydicom calls a decoder available when its package is importable,
and some of those then refuse 12-bit samples.
"""

from __future__ import annotations

import base64
import logging
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
import pydicom.uid as u
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pynetdicom import build_context
from pynetdicom import sop_class as sop
from pynetdicom.presentation import PresentationContext

from node import syntax_samples as frames

log = logging.getLogger(__name__)

UNCOMPRESSED: tuple[str, ...] = (
    u.ExplicitVRLittleEndian,
    u.ImplicitVRLittleEndian,
    u.DeflatedExplicitVRLittleEndian,
    u.ExplicitVRBigEndian,
)

SAMPLES: dict[str, tuple[str, int, int]] = {
    u.RLELossless: (frames.RLE, 12, 0),
    u.JPEGLossless: (frames.JPEG_LOSSLESS, 12, 0),
    u.JPEGLosslessSV1: (frames.JPEG_LOSSLESS, 12, 0),
    u.JPEGLSLossless: (frames.JPEG_LS, 12, 0),
    u.JPEG2000Lossless: (frames.JPEG_2000_LOSSLESS, 12, 0),
    u.HTJ2KLossless: (frames.HTJ2K_LOSSLESS, 12, 0),
    u.HTJ2KLosslessRPCL: (frames.HTJ2K_LOSSLESS, 12, 0),
    u.JPEGBaseline8Bit: (frames.JPEG_BASELINE, 8, 2),
    u.JPEGExtended12Bit: (frames.JPEG_EXTENDED, 12, 32),
    u.JPEGLSNearLossless: (frames.JPEG_LS_NEAR, 12, 2),
    u.JPEG2000: (frames.JPEG_2000, 12, 32),
    u.HTJ2K: (frames.HTJ2K, 12, 32),
}
"""Transfer syntax -> (a frame, its bits stored, how far a decoded value may be off)."""

LOSSLESS: frozenset[str] = frozenset(uid for uid, (_, _, off) in SAMPLES.items() if off == 0) | set(UNCOMPRESSED)

WITH_PIXELS: tuple[str, ...] = (
    sop.MRImageStorage,
    sop.EnhancedMRImageStorage,
    sop.LegacyConvertedEnhancedMRImageStorage,
    sop.EnhancedMRColorImageStorage,
    sop.DigitalMammographyXRayImageStorageForPresentation,
    sop.DigitalMammographyXRayImageStorageForProcessing,
    sop.BreastTomosynthesisImageStorage,
    sop.CTImageStorage,
    sop.EnhancedCTImageStorage,
    sop.LegacyConvertedEnhancedCTImageStorage,
    sop.SecondaryCaptureImageStorage,
    sop.MultiFrameSingleBitSecondaryCaptureImageStorage,
    sop.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    sop.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    sop.MultiFrameTrueColorSecondaryCaptureImageStorage,
    sop.SegmentationStorage,
    sop.LabelMapSegmentationStorage,
    sop.ParametricMapStorage,
    sop.RTDoseStorage,
)

WITHOUT_PIXELS: tuple[str, ...] = (
    sop.RTStructureSetStorage,
    sop.RTPlanStorage,
    sop.BasicTextSRStorage,
    sop.EnhancedSRStorage,
    sop.ComprehensiveSRStorage,
    sop.Comprehensive3DSRStorage,
    sop.MammographyCADSRStorage,
    sop.KeyObjectSelectionDocumentStorage,
    sop.GrayscaleSoftcopyPresentationStateStorage,
    sop.ColorSoftcopyPresentationStateStorage,
    sop.PseudoColorSoftcopyPresentationStageStorage,  # sic, in pynetdicom
    sop.BlendingSoftcopyPresentationStateStorage,
    sop.AdvancedBlendingPresentationStateStorage,
)


def readable_syntaxes() -> tuple[str, ...]:
    """The transfer syntaxes that this installation reads: the uncompressed, then each whose sample frame decodes."""
    return UNCOMPRESSED + tuple(uid for uid in SAMPLES if decodes(uid))


def decodes(uid: str) -> bool:
    """True when the sample frame of a compressed transfer syntax comes back right."""
    try:
        return _worst_error(uid) <= SAMPLES[uid][2]
    except (RuntimeError, ValueError, TypeError, NotImplementedError, ImportError, OSError) as error:
        log.debug("no decoder for %s: %s", uid, error)
        return False


def _worst_error(uid: str) -> int:
    text, bits, _ = SAMPLES[uid]
    frame, _ = get_decoder(uid).as_array(
        encapsulate([zlib.decompress(base64.b64decode(text))]),
        rows=32,
        columns=32,
        samples_per_pixel=1,
        bits_allocated=8 if bits == 8 else 16,
        bits_stored=bits,
        pixel_representation=0,
        number_of_frames=1,
        photometric_interpretation="MONOCHROME2",
        pixel_keyword="PixelData",
    )
    rows, columns = np.mgrid[0:32, 0:32]
    truth = (rows + columns) * (4 if bits == 8 else 64)
    return int(np.abs(frame.astype(int) - truth).max())


def supported_contexts() -> list[PresentationContext]:
    """What the node accepts as storage and verification SCP, one context a SOP Class."""
    readable = list(readable_syntaxes())
    return [
        build_context(sop.Verification, list(UNCOMPRESSED)),
        *(build_context(uid, readable) for uid in WITH_PIXELS),
        *(build_context(uid, list(UNCOMPRESSED)) for uid in WITHOUT_PIXELS),
    ]


def in_senders_order(
    supported: Iterable[PresentationContext], proposed: Sequence[PresentationContext]
) -> list[PresentationContext]:
    """The supported contexts that are proposed, each with its transfer syntaxes in the order of the proposal.

    PS3.8 leaves the choice to the acceptor. A sender lists first what it can send as it is; choosing anything else
    makes it transcode, or fail when it cannot.
    """
    wished: dict[str, list[str]] = {}
    for context in proposed:
        wished.setdefault(context.abstract_syntax, []).extend(context.transfer_syntax)
    return [
        build_context(c.abstract_syntax, _ordered(c.transfer_syntax, wished[c.abstract_syntax]))
        for c in supported
        if c.abstract_syntax in wished
    ]


def _ordered(known: Iterable[str], wished: list[str]) -> list[str]:
    place = {uid: n for n, uid in reversed(list(enumerate(wished)))}
    return sorted(known, key=lambda uid: place.get(uid, len(wished)))
