"""Figures that others published on public sets of mammograms, each with where it stands, and what keeps it apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure. question: what the figure answers; apart: why it does not stand beside ours as it is."""

    who: str
    material: str
    question: str
    value: str
    apart: str
    source: str


PUBLISHED = (
    Figure(
        "Shen et al. 2019",
        "CBIS-DDSM (film), test set of their own",
        "malignant against the rest, per image, AUC",
        "0.88 single model, 0.91 with four",
        "trained on that set's outlined lesions; CC and MLO films, digitised finer than 200 um",
        "Sci Rep 9:12495, PMC6715802",
    ),
    Figure(
        "Shen et al. 2019",
        "INbreast (digital)",
        "malignant against the rest, per image, AUC",
        "0.95 single model, 0.98 with four",
        "digital images; pre-trained on CBIS-DDSM; cancer there is a BI-RADS category, not pathology",
        "Sci Rep 9:12495, PMC6715802",
    ),
    Figure(
        "Ribli et al. 2018",
        "INbreast (digital)",
        "malignant against the rest, AUC",
        "0.95",
        "digital images; trained on other sets of outlined lesions; DREAM challenge, unseen women: 0.85",
        "Sci Rep 8:4165, PMC5854668",
    ),
    Figure(
        "Petrini et al. 2021",
        "CBIS-DDSM (film), CC and MLO together",
        "malignant against benign, AUC",
        "0.93 by five folds of their own, 0.85 on the official test set",
        "the same network and films: how a set is split moves the figure by 0.09",
        "arXiv 2110.01606",
    ),
    Figure(
        "Ertosun and Rubin 2015",
        "whole mammograms with masses",
        "share of masses found at false positives per image",
        "0.85 at 0.9",
        "masses alone: no architectural distortion, no calcifications",
        "IEEE BIBM 2015",
    ),
    Figure(
        "Gabbualoy et al. 2026",
        "trained on CBIS-DDSM; tried on CMMD, DMID and MIAS",
        "malignant against the rest, AUC",
        "0.70-0.87 at home; 0.17 to 0.32 less on every other set",
        "no training on MIAS at all, so harder than a cross-validation within it",
        "Sensors 2026, doi 10.3390/s26123911",
    ),
    Figure(
        "El Malih et al., student poster",
        "mini-MIAS (film), 20 augmented copies of each image",
        "recall and precision of boxes",
        "0.95-0.99 and 0.94-1.00",
        "the poster does not say that copies of one film were kept out of the test: not comparable",
        "github.com/delmalih/MIAS-mammography-obj-detection",
    ),
    Figure(
        "Wu et al. 2019 (NYU)",
        "200,000 digital exams of one hospital, four views",
        "malignant against the rest, per breast, AUC",
        "0.895; 0.90 on CMMD and 0.84 on OMI-DB when others tried it",
        "over a thousand times the women; of the three other public models all did poorly on foreign sets",
        "github.com/nyukat/breast_cancer_classifier; doi 10.1007/s10278-023-00943-5",
    ),
)
"""The abstracts and pages were read, not the papers in full."""

LEAKAGE = """What makes figures on small film sets look better than they are, and how it is here:

- **Splitting by image.** Both breasts of a woman, and copies of one film made by augmentation, must not stand on both
  sides of a split. Here folds are by woman.
- **Choosing on the test images.** Not kept out for mini-MIAS: the kinds of detectors, some penalties, the 16 mm between
  marks, the price of calcifications and the weights of the image score were chosen on these same women in these folds,
  so that the shipped models' figures are somewhat optimistic. Elsewhere, with features chosen by the validation set,
  an AUC of 0.75-0.99 was measured where new women gave 0.72 (Koneru et al., SPIE, simulated leakage on 1,882 patients).
- **Cut-outs instead of films.** Many figures on mini-MIAS classify squares around a known lesion. Here the whole film
  is read, and a mark counts by where it lies.
- **Easy negatives.** False positives are counted on all images, and once more on normal images alone."""

COMPARABLE = """Comparable: the direction and the order of size of the AUC of whole films, where the others too read
whole images and split by woman. Not comparable: anything digital (other contrast, 50-100 um), anything with two views
per breast, sets without normal breasts, figures on masses alone, and sets whose "malignant" is a reader's category."""


def table() -> str:
    """The figures as Markdown."""
    head = "| who | material | what | figure | why it stands apart | source |\n|---|---|---|---|---|---|"
    rows = (f"| {f.who} | {f.material} | {f.question} | {f.value} | {f.apart} | {f.source} |" for f in PUBLISHED)
    return "\n".join([head, *rows])


def section() -> str:
    """The part of the report that sets our figures beside others'."""
    return "\n\n".join(["## Next to published figures", table(), COMPARABLE, LEAKAGE])
