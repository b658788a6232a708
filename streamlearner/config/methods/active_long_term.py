"""The settings of the method `active_long_term` alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamlearner.config.settings import Section


class ActiveLongTermSection(Section):
    """A flexible network held near a stable one."""

    distillation_weight: float = Field(default=0.1, ge=0)
    """weight of the squared distance between the decision layers of the two networks; 0.1 in the paper"""
    inputs: Literal["replay", "naive"] = "replay"
    """where that distance is measured: replay: on recollections; naive: on the new inputs themselves"""
