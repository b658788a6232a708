"""At which pace batches are learned, and what was left out to keep up."""

from __future__ import annotations

from streamlearner.telemetry.series import Series


class PaceMetrics:
    """The part of `Metrics` that tells how learning keeps up with the stream."""

    _series: Series

    def count_without_steps(self, examples: int) -> None:
        """Examples of thinned batches that got no optimiser step."""
        self._series.without_steps.inc(examples)

    def publish_pace(self, *, size: int, one_in: int) -> None:
        """Messages of a batch, and of how many examples one gets optimiser steps."""
        self._series.batch_messages.set(size)
        self._series.trained_share.set(1 / one_in)
