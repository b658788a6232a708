"""Steps of learning that were not taken, as a loss, a gradient or weights would not be finite."""

from __future__ import annotations

LONGEST_STEP = 1e15
"""Weights that are moved further than this are finite, and their products overflow float32."""


class RefusedSteps:
    """How many there were in this process. (No part of a network: its checkpoint holds what it learned.)"""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        self.count += 1


REFUSED = RefusedSteps()
