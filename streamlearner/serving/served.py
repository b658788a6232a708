"""The frozen model that answers, and when it is replaced."""

from __future__ import annotations

from collections.abc import Callable

from streamlearner.learning.predictor import Predictor
from streamlearner.telemetry.metrics import Metrics


class Served:
    """Holds `current`, a frozen Predictor or None. The learning thread refreshes; any thread reads `current`
    once and works with what it got, whatever is swapped in meanwhile."""

    def __init__(
        self, *, every_examples: int, every_s: float, metrics: Metrics, now_s: Callable[[], float]
    ) -> None:
        self.current: Predictor | None = None
        self._every_examples = every_examples
        self._every_s = every_s
        self._metrics = metrics
        self._now_s = now_s
        self._version = ""
        self._examples = 0
        self._frozen_s = 0.0

    def refresh(self, predictor: Predictor, *, version: str, examples: int) -> bool:
        """Freezes `predictor` and swaps it in where that is due; tells whether it did. If not, 0.2 us.

        Due: the first model, another adopted `version`, `every_examples` more `examples` learned,
        fewer (a rollback), or any more and `every_s` gone by: a slow stream is not served stale.
        """
        if not self._due(version=version, examples=examples) or not predictor.ready:
            return False
        self.current = predictor.freeze(version=f"{version}.{examples}")
        self._version, self._examples, self._frozen_s = version, examples, self._now_s()
        self._metrics.publish_served(examples=examples, frozen_s=self._frozen_s)
        return True

    def _due(self, *, version: str, examples: int) -> bool:
        if self.current is None or version != self._version:
            return True
        more = examples - self._examples
        if more == 0:
            return False
        return not 0 < more < self._every_examples or self._now_s() - self._frozen_s >= self._every_s
