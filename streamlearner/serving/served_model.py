"""The frozen model that answers, and when a newer one replaces it."""

from __future__ import annotations

from collections.abc import Callable

from streamlearner.learning.predictor import Predictor
from streamlearner.telemetry.metrics import Metrics

SOON = 20
"""Examples learned between two copies while a class is new."""


class ServedModel:
    """Holds `current`, a frozen Predictor or None. The learning thread refreshes; any thread reads `current`
    once and works with what it got, whatever replaces it meanwhile."""

    def __init__(
        self, *, every_examples: int, every_s: float, metrics: Metrics, now_s: Callable[[], float]
    ) -> None:
        self.current: Predictor | None = None
        self.diverged = False  # no answer of `current` is finite
        self._every_examples = every_examples
        self._every_s = every_s
        self._metrics = metrics
        self._now_s = now_s
        self._frozen_s = 0.0

    def refresh(self, predictor: Predictor) -> bool:
        """Freezes `predictor` and swaps it in where that is due; returns whether it did. If not, 0.2 us.

        Due: the first model, another adopted version, a rollback, `every_examples` more learned, any
        more and `every_s` gone by (a slow stream is not served stale) or another answerer chosen, or `SOON`
        more where each batch may change the answers: after a new class.
        """
        if not self._due(predictor) or not predictor.ready:
            return False
        frozen = predictor.freeze()
        self.current, self.diverged = frozen, not frozen.is_finite
        self._frozen_s = self._now_s()
        self._metrics.publish_served(examples=predictor.version.examples, frozen_s=self._frozen_s)
        return True

    def _due(self, predictor: Predictor) -> bool:
        version, method = predictor.version, predictor.method
        if self.current is None:
            return True
        former = self.current.version
        if (version.adopted, version.rollbacks) != (former.adopted, former.rollbacks):
            return True
        more = version.examples - former.examples
        if more == 0:
            return False
        if method.route != self.current.method.route or (method.unsettled and more >= SOON):
            return True
        return not 0 < more < self._every_examples or self._now_s() - self._frozen_s >= self._every_s
