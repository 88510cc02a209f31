"""The trained classifier: a JSON of numbers, applied with nothing but numpy; and why it turned a candidate down.

The chain is scikit-learn's, number for number: median imputation with missing indicators, robust scaling, clipping, the
columns that survived pruning and selection, an SVM with radial basis functions, Platt's sigmoid.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import WeightsCorrupt
from pipeline.findings import Reason, Verdict
from pipeline.radiomics.features import Table
from pipeline.radiomics.patch import Floats
from pipeline.radiomics.words import words

FORMAT = 1
_MOST_REASONS = 3
OF_THE_SERIES = frozenset({"slice_thickness_mm"})
"""Features that are the same for all candidates of a series: true, and no reason against one of them."""

_ARRAYS = ("median", "centre", "scale", "support", "dual", "typical")


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A false-positive step. In the columns below, f features come first, then one indicator per `indicated` feature.

    names:           the f features, in the order of the table.
    median:          (f,) what a missing value becomes.
    indicated:       features whose absence is a column of its own (1 where missing).
    centre, scale:   (columns,) robust scaling: (x - centre) / scale, then clipped to +-limit.
    limit:           so that an image unlike any other cannot leave the range the SVM has seen.
    columns:         the columns that the SVM sees, in its order.
    support:         (vectors, len(columns)) support vectors; dual: (vectors,) their coefficients.
    intercept:       of the decision value; gamma: of exp(-gamma |x - v|^2).
    slope, offset:   probability = 1 / (1 + exp(slope x decision + offset)), Platt's A and B.
    threshold:       probability from which on a candidate is kept.
    typical:         (f,) median over true lesions, with which reasons are found; missing ones are `median`.
    settings_sha256: of what the features were measured with.
    training_sha256: fingerprint of the candidates it was trained with.
    libraries:       versions it was trained with.
    about:           what the training says of itself (rule of the threshold, hyper-parameters, counts).
    """

    names: tuple[str, ...]
    median: Floats
    indicated: tuple[int, ...]
    centre: Floats
    scale: Floats
    limit: float
    columns: tuple[int, ...]
    support: Floats
    dual: Floats
    intercept: float
    gamma: float
    slope: float
    offset: float
    threshold: float
    typical: Floats
    settings_sha256: str
    training_sha256: str
    libraries: Mapping[str, str]
    about: Mapping[str, Any]

    @classmethod
    def from_json(cls, content: bytes) -> Classifier:
        """Read what `to_json` wrote. Raises WeightsCorrupt when it is no such thing, or its parts do not fit."""
        try:
            given = json.loads(content)
            if given.pop("format") != FORMAT:
                raise ValueError("another format")
            made = cls(**{k: _typed(k, v) for k, v in given.items()})
            made._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise WeightsCorrupt(f"the false-positive model cannot be read: {error}") from error
        return made

    def to_json(self) -> bytes:
        """All of it, exact to the last bit: the shortest decimal that reads back as the same number."""
        content = {f.name: getattr(self, f.name) for f in fields(self)}
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in content.items()}
        return (json.dumps({"format": FORMAT, **plain}, sort_keys=True, allow_nan=False) + "\n").encode()

    def decisions(self, table: Table) -> Floats:
        """(n,) decision values of the SVM, above 0 for lesions. Raises WeightsCorrupt for a table made otherwise."""
        self._belongs(table)
        return self._decide(table.rows)

    def score(self, table: Table) -> Floats:
        """(n,) calibrated probability that each candidate is a lesion. Raises as `decisions` does."""
        return self._calibrated(self.decisions(table))

    def verdicts(self, table: Table) -> tuple[Verdict, ...]:
        """One verdict per row, with at most three reasons, of features that spoke against it.

        A reason's weight is how much the decision value would rise if that feature alone were at the median of true
        lesions. Features hang together, so weights do not add up; features that the SVM does not look at, or that could
        not be measured, have none. Kept candidates have reasons too: what spoke against them, in vain.
        """
        decisions = self.decisions(table)
        scores = self._calibrated(decisions)
        return tuple(
            Verdict(float(score), self.threshold, self._reasons(row, decision))
            for row, decision, score in zip(table.rows, decisions, scores, strict=True)
        )

    def features_seen(self) -> tuple[int, ...]:
        """Indices of the features that the SVM looks at, itself or by their absence, ascending."""
        count = len(self.names)
        return tuple(sorted({c if c < count else self.indicated[c - count] for c in self.columns}))

    def _decide(self, rows: Floats) -> Floats:
        absent = np.isnan(rows)
        filled = np.where(absent, self.median, rows)
        columns = np.hstack([filled, absent[:, list(self.indicated)].astype(float)])
        scaled = np.clip((columns - self.centre) / self.scale, -self.limit, self.limit)[:, list(self.columns)]
        squares = (scaled**2).sum(axis=1)[:, None] + (self.support**2).sum(axis=1) - 2 * scaled @ self.support.T
        return np.asarray(np.exp(-self.gamma * np.maximum(squares, 0.0)) @ self.dual + self.intercept)

    def _calibrated(self, decisions: Floats) -> Floats:
        return np.asarray(1.0 / (1.0 + np.exp(np.clip(self.slope * decisions + self.offset, -700, 700))))

    def _reasons(self, row: Floats, decision: float) -> tuple[Reason, ...]:
        seen = np.array([i for i in self.features_seen() if not np.isnan(row[i])], np.intp)
        changed = np.tile(row, (len(seen), 1))
        changed[np.arange(len(seen)), seen] = self.typical[seen]
        gains = self._decide(changed) - decision
        # Of one texture at several scales the strongest alone: the others would tell the reader nothing new.
        strongest: dict[str, int] = {}
        for i in np.argsort(-gains, kind="stable").tolist():
            if gains[i] > 1e-9 and self.names[seen[i]] not in OF_THE_SERIES:
                strongest.setdefault(_measure(self.names[seen[i]]), i)
        chosen = list(strongest.values())[:_MOST_REASONS]
        return tuple(self._reason(int(seen[i]), float(row[seen[i]]), float(gains[i])) for i in chosen)

    def _reason(self, feature: int, value: float, gain: float) -> Reason:
        name = self.names[feature]
        return Reason(name, value, words(name, value, float(self.typical[feature])), gain)

    def _belongs(self, table: Table) -> None:
        if table.settings_sha256 != self.settings_sha256 or table.names != self.names:
            raise WeightsCorrupt(
                f"the candidates were measured with settings {table.settings_sha256[:12]}…, "
                f"the false-positive model wants {self.settings_sha256[:12]}…",
                "measure with the settings it was trained with, or train again: "
                "python -m pipeline.training.false_positives",
            )

    def _check(self) -> None:
        count = len(self.names)
        wide = count + len(self.indicated)
        shapes: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
            "median": (self.median, (count,)),
            "typical": (self.typical, (count,)),
            "centre": (self.centre, (wide,)),
            "scale": (self.scale, (wide,)),
            "dual": (self.dual, (len(self.support),)),
            "support": (self.support, (len(self.dual), len(self.columns))),
        }
        wrong = [name for name, (array, shape) in shapes.items() if array.shape != shape]
        outside = [i for i in self.columns if not 0 <= i < wide] + [i for i in self.indicated if not 0 <= i < count]
        if wrong or outside:
            raise ValueError(f"parts that do not fit together: {', '.join(wrong) or 'columns'}")


def _measure(feature: str) -> str:
    """The name of a feature without the filter of the image that it was measured on."""
    image, _, measured = feature.partition("_")
    return measured if image == "original" or image.startswith("log-sigma") else feature


def _typed(name: str, value: Any) -> Any:
    if name in _ARRAYS:
        array = np.asarray(value, np.float64)
        array.flags.writeable = False
        return array
    return tuple(value) if name in ("names", "indicated", "columns") else value
