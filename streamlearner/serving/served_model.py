"""The frozen model that answers, and when a newer one replaces it."""

from __future__ import annotations

from collections.abc import Callable

from streamlearner.learning.predictor import Predictor
from streamlearner.telemetry.metrics import Metrics

SOON = 20
"""Examples learned between two copies while a class is new."""
BATCHES_PER_S = 2
"""In a second, copies take no longer than so many batches do."""
LONGEST_WAIT_S = 0.5
"""No copy that is due waits for longer, whatever it takes."""


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
        self._took_s = 0.0  # the last copy
        self._batch_s = 0.0  # the last batch, with all that is done between two
        self._learned, self._learned_s = 0, 0.0

    def refresh(self, predictor: Predictor) -> bool:
        """Freezes `predictor` and swaps it in where that is due; returns whether it did. If not, 0.5 us. Call
        it after each batch.

        Due: the first model, another adopted version, a rollback, `every_examples` more learned, any
        more and `every_s` gone by (a slow stream is not served stale) or another answerer chosen, or `SOON`
        more where each batch may change the answers: after a new class. What was only learned waits until
        copies take no more than their share (`BATCHES_PER_S`), for `LONGEST_WAIT_S` at most.
        """
        now_s = self._now_s()
        self._time_batch(predictor.version.examples, now_s)
        if not self._due(predictor, now_s) or not predictor.ready:
            return False
        frozen = predictor.freeze()
        self.current, self.diverged = frozen, not frozen.is_finite
        self._frozen_s = self._now_s()
        self._took_s, self._learned_s = self._frozen_s - now_s, self._frozen_s
        self._metrics.publish_served(examples=predictor.version.examples, frozen_s=self._frozen_s)
        return True

    def _time_batch(self, learned: int, now_s: float) -> None:
        if learned != self._learned:
            self._batch_s = now_s - self._learned_s
            self._learned, self._learned_s = learned, now_s

    def _waits(self, now_s: float) -> bool:
        """Whether the last copy is so young that another would cost learning too much."""
        least_s = min(LONGEST_WAIT_S, self._took_s / (BATCHES_PER_S * max(self._batch_s, 1e-6)))
        return 0.0 <= now_s - self._frozen_s < least_s

    def _due(self, predictor: Predictor, now_s: float) -> bool:
        version, method = predictor.version, predictor.method
        if self.current is None:
            return True
        former = self.current.version
        if (version.adopted, version.rollbacks) != (former.adopted, former.rollbacks):
            return True
        more = version.examples - former.examples
        if more == 0 or (more > 0 and self._waits(now_s)):
            return False
        if method.route != self.current.method.route or (method.unsettled and more >= SOON):
            return True
        return not 0 < more < self._every_examples or now_s - self._frozen_s >= self._every_s
