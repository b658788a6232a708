"""The methods: what each is called, where its code is, and its own settings."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from streamlearner.registry.part import Registry
from streamlearner.registry.section import Count, Folder, Section, Share

METHODS = Registry("method", plural="methods", contract="streamlearner.methods.base:DualMemory")


class RecollectionReplaySection(Section):
    """Of recollection_replay alone; they stand beside `method.name`."""

    statistics: bool = True
    """statistics of the classes answer while they do better than the network, which needs more examples; they
    take up to three quarters of memory.budget_bits at first (half of a small one), an eighth or nothing once
    the network answers"""
    views_per_step: int = Field(default=2, ge=0)
    """new inputs also learned as their own codes show them, so that a class alone in its batch is learned"""
    candidates: Count = 1
    """active sampling: each recollection is the hardest for the learner of so many random ones"""
    targets: Literal["labels", "teacher"] = "labels"
    """what recollections are taught towards: their stored labels, or the averaged weights' answers"""
    ema_decay: float = Field(default=0.995, ge=0, lt=1)
    """of the exponential moving average of weights that answers: what a step leaves of the average before"""
    distillation: float = Field(default=0.0, ge=0)
    """weight of staying near the averaged weights' answers for recollections"""


class LateFreezeSection(RecollectionReplaySection):
    """As recollection_replay's, and when it freezes."""

    freeze_after: Count | None = Field(default=10_000)
    """examples of images after which the lower half of the network is frozen, and the memory recoded through
    it; null: only by patience"""
    patience: Count | None = Field(default=None, examples=[3])
    """also freezes once the readout (evaluation.readout) did not rise for so many sleeps in a row; the count
    begins anew with each new class. null: only by freeze_after"""

    def usable(self) -> None:
        if self.freeze_after is None and self.patience is None:
            raise ValueError("expected a number for freeze_after or patience: without both nothing freezes")


class ElasticWeightConsolidationSection(Section):
    """Of elastic_weight_consolidation alone; they stand beside `method.name`."""

    ewc_lambda: float = Field(default=1_000.0, ge=0)
    """elastic_weight_consolidation: weight of the penalty (lambda), times the Fisher information"""


class ActiveLongTermSection(Section):
    """A flexible network held near a stable one."""

    distillation_weight: float = Field(default=0.1, ge=0)
    """weight of the squared distance between the decision layers of the two networks; 0.1 in the paper"""
    inputs: Literal["replay", "naive"] = "replay"
    """where that distance is measured: replay: on recollections; naive: on the new inputs themselves"""


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

    @property
    def least_share(self) -> float:
        """kappa."""
        return 0.5 / self.expected_tasks if self.kappa is None else self.kappa

    @property
    def places(self) -> int:
        """n_STM."""
        kappa = self.least_share
        return self.short_term_tasks or max(1, math.floor(0.25 / kappa) if kappa else 1)


class MaskedGeneratorSection(Section):
    """A generator whose units are reserved, class by class, by masks that it learns."""

    latents: Count = 32
    """normal variables of the generator"""
    units: Count = 128
    """free units of its first masked layer; the second has twice as many, and so has each layer of the
    critic"""
    steps: Count = 500
    """steps of generator and critic, in turn, for each class"""
    batch_size: int = Field(default=64, ge=2)
    """examples in each of them"""
    generator_learning_rate: float = Field(default=2e-3, gt=0)
    """step size of Adam, falling to 0 in the second half"""
    s_max: float = Field(default=100.0, gt=1)
    """how steep the masks are at the end of a class"""
    sparsity: float = Field(default=0.03, ge=0)
    """weight of taking few new units (lambda_RU), times all units over free ones"""
    gradient_penalty: float = Field(default=1.0, ge=0)
    """weight of the slope of the critic's score at real examples (lambda_GP)"""
    least_examples: int = Field(default=100, ge=2)
    """codes of a class that must be held before the generator learns it"""


class MetaLearnedUpdateSection(Section):
    """A trained gate that multiplies each gradient before it moves a weight."""

    gate: Folder | None = Field(default=None, examples=["/etc/streamlearner/gate.safetensors"])
    """the file that `streamlearner meta-train` made for this network (with `--each-weight` the network then
    starts with the weights in it); null: an untrained gate, which lets every gradient through as it is"""
    horizon: Count = 50
    """steps after which what the gate remembers begins anew: as many as
    `streamlearner meta-train --horizon`"""


class StreamingStatisticsSection(Section):
    """Sums of each class and a linear discriminant: no gradient, nothing of an input is kept."""

    directions: Count | None = Field(default=None, examples=[160])
    """numbers that describe an input, at most; fewer where memory.budget_bits asks for it. null: 256, or of
    ordered features (eye) all"""


METHODS.register(
    "recollection_replay",
    "streamlearner.methods.recollection_replay:RecollectionReplay",
    "replays decoded codes",
    settings=RecollectionReplaySection,
    under="",
)
METHODS.register(
    "late_freeze",
    "streamlearner.methods.late_freeze:LateFreeze",
    "recollection_replay that freezes its own lower half after a while",
    settings=LateFreezeSection,
)
METHODS.register(
    "streaming_statistics",
    "streamlearner.methods.streaming_statistics:StreamingStatistics",
    "sums of each class, and a linear discriminant",
    settings=StreamingStatisticsSection,
)
METHODS.register(
    "active_long_term",
    "streamlearner.methods.active_long_term:ActiveLongTerm",
    "a flexible network held near a stable one",
    settings=ActiveLongTermSection,
)
METHODS.register(
    "generative_dual_memory",
    "streamlearner.methods.generative_dual_memory:GenerativeDualMemory",
    "a small generator for each task, and a large one",
    settings=GenerativeDualMemorySection,
)
METHODS.register(
    "masked_generator",
    "streamlearner.methods.masked_generator:MaskedGenerator",
    "one generator that grows with the classes",
    settings=MaskedGeneratorSection,
)
METHODS.register(
    "meta_learned_update",
    "streamlearner.methods.meta_learned_update:MetaLearnedUpdate",
    "nothing is replayed, but a trained gate lets the steps through",
    settings=MetaLearnedUpdateSection,
)
METHODS.register(
    "deep_generative_replay",
    "streamlearner.methods.deep_generative_replay:DeepGenerativeReplay",
    "a baseline, one generator that replays itself",
    settings=GenerativeDualMemorySection,
    under="generative_dual_memory",
)
METHODS.register(
    "elastic_weight_consolidation",
    "streamlearner.methods.elastic_weight_consolidation:ElasticWeightConsolidation",
    "a baseline, holds weights that mattered",
    settings=ElasticWeightConsolidationSection,
    under="",
)
METHODS.register(
    "pseudopattern_rehearsal",
    "streamlearner.methods.pseudopattern_rehearsal:PseudopatternRehearsal",
    "a baseline, noise, answered as before",
)
METHODS.register(
    "finetune",
    "streamlearner.methods.finetune:Finetune",
    "a baseline, remembers nothing",
)
METHODS.register(
    "rehearsal",
    "streamlearner.methods.rehearsal:Rehearsal",
    "a baseline, raw inputs",
)
