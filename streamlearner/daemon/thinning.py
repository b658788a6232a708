"""Tells when batches begin to be thinned, and when they no longer are."""

from __future__ import annotations

import logging

from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class Thinning:
    """Counts the examples that got no optimiser step. A warning when that begins, one when it has ended."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._one_in, self._left_out = 1, 0

    def batch_taken(self, *, one_in: int, without_steps: int) -> None:
        """Of a batch that was learned."""
        if one_in > 1 and self._one_in == 1:
            self._left_out = 0
            log.warning(
                "learning is far behind: from now on one example in %d, or fewer, gets optimiser steps; "
                "memory, statistics and counters take all of them (daemon.when_behind: thin)",
                one_in,
            )
        elif one_in == 1 and self._one_in > 1:
            log.warning(
                "learning has caught up: all examples get optimiser steps again; %d got none", self._left_out
            )
        self._one_in = one_in
        if without_steps:
            self._left_out += without_steps
            self._metrics.count_without_steps(without_steps)
