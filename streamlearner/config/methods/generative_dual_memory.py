"""The settings of the method `generative_dual_memory` alone."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamlearner.config.settings import Count, Section, Share


class GenerativeDualMemorySection(Section):
    """A small generative memory for each task, and a large one that outlives them; deep_generative_replay has
    that alone."""

    task_from: Literal["label", "period"] = "label"
    """what a task is where the stream names none: the label, or the period between two adopted sleeps"""
    expected_tasks: Count = 10
    """the paper's K: how many tasks may come; kappa is 0.5 / K"""
    kappa: Share | None = Field(default=None, examples=[0.05])
    """least share (0 to 1) of a sleep's samples for each new task; null: 0.5 / expected_tasks"""
    short_term_tasks: Count | None = Field(default=None, examples=[5])
    """short-term memories (n_STM); a task more makes the memory full; null: 0.25 / kappa"""
    most_samples: Count = 60_000
    """the paper's N_max: samples in whose shares a sleep learns old and new"""
    latents: Count = 16
    """normal variables of a short-term generator; the long-term one has twice as many"""
    hidden: Count = 128
    """hidden units of a short-term generator and learner; the long-term generator has twice as many"""
    generator_learning_rate: float = Field(default=2e-3, gt=0)
    """step size of Adam for the generators"""
    denoising: Share = Field(default=0.0, examples=[0.5])
    """generators learn to see through noise of up to this deviation (1: a pixel's range), and gaps of up to
    this share"""
    steps: Count = 2
    """steps of a short-term memory for each batch of its task"""
