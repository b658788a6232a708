"""The settings that shape learning: what is remembered, who learns, when it sleeps, how it is examined."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import pydantic
from croniter import croniter
from pydantic import AfterValidator, Field

from streamlearner.config.methods.active_long_term import ActiveLongTermSection
from streamlearner.config.methods.generative_dual_memory import GenerativeDualMemorySection
from streamlearner.config.methods.masked_generator import MaskedGeneratorSection
from streamlearner.config.methods.meta_learned_update import MetaLearnedUpdateSection
from streamlearner.config.settings import Bits, Count, Folder, Seconds, Section, Share


def _cron(text: str) -> str:
    if not croniter.is_valid(text):
        raise ValueError("a cron expression such as '0 3 * * *' (minute, hour, day, month, weekday; UTC)")
    return text


OUR_NETWORKS = (
    "auto",
    "mlp",
    "mlp_dropout",
    "mlp_small",
    "mlp_small_dropout",
    "lenet",
    "resnet18_reduced",
)
"""Any other is torchvision's, which takes a second to say whether it has it: `app.check_network` asks."""


def _network(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{', '.join(OUR_NETWORKS)} or a model of torchvision such as mobilenet_v3_small")
    return name


class DaemonSection(Section):
    """The loop that wakes, learns and sleeps."""

    batch_size: Count = 10
    """messages learned in one step; batches are cut by count, so that a run can be repeated bit for bit"""
    linger_s: float = Field(default=2.0, ge=0)
    """seconds after which fewer messages are learned, once the source has no more for now"""
    poll_timeout_s: Seconds = 0.2
    """seconds one poll may wait; also how soon a request reaches an idle daemon"""
    at_end: Literal["serve", "exit"] = "serve"
    """once a finite source has been learned: keep serving, or drain and exit 0"""


class MemorySection(Section):
    """The recollection memory: short codes with their labels."""

    budget_bits: Bits = 64 * 8 * 2**10
    """hard limit in bits of codes, labels and task ids together; 64 KiB. Enough by itself to configure the
    memory; `streamlearner plan` tells what it holds"""
    sampling: Literal["reservoir", "balanced"] = "balanced"
    """balanced: equally many of each class, a uniform sample inside it; reservoir: a uniform sample of
    everything seen"""


class AssociationSection(Section):
    """How an input becomes a code, and a code an input."""

    name: Literal["auto", "trellis", "transform", "thumbnail", "gumbel", "raw"] = "auto"
    """trellis: the stream's principal directions, quantised along a trellis; transform: cosine transform,
    quantised value by value; both fitted on the stream; thumbnail: means of blocks; gumbel: the paper's
    discrete autoencoder; raw: the input itself; auto: thumbnail for one-channel images of 16 pixels or more,
    trellis for colour images, else transform"""
    code_bits: Count | None = Field(default=None, examples=[100])
    """bits of one code; null chooses by input shape and memory.budget_bits"""
    from_checkpoint: Folder | None = Field(default=None, examples=["/var/lib/other/checkpoints/00000007"])
    """start from what another association of the same settings learned: the directory of a checkpoint, or a
    safetensors file; is read again at each start. null: from a prior that needs no data"""
    variables: Count = 62
    """gumbel: categorical variables of a code (the paper's c)"""
    levels: int = Field(default=2, ge=2)
    """gumbel: values of each variable (the paper's l)"""
    learning_rate: float = Field(default=1e-3, gt=0)
    """gumbel: step size of Adam"""


class NetworkSection(Section):
    """Who answers."""

    name: Annotated[str, AfterValidator(_network)] = "auto"
    """auto: mlp for vectors and images under 16 pixels, lenet for one channel, resnet18_reduced for colour;
    mlp_dropout, mlp_small, mlp_small_dropout; or any image classifier of torchvision by its name there, for
    example mobilenet_v3_small"""
    weights: str | None = Field(default=None, min_length=1, examples=["DEFAULT"])
    """torchvision's pretrained weights by name, or DEFAULT for its best; fetched once, to pretrained under
    state_dir. null: drawn"""

    @property
    def is_ours(self) -> bool:
        """Whether torchvision has no part in it."""
        return self.name in OUR_NETWORKS

    @pydantic.model_validator(mode="after")
    def _ours_have_no_weights(self) -> NetworkSection:
        if self.weights and self.is_ours:
            raise ValueError(
                f"network.weights to be null, as network.name {self.name} is none of torchvision's"
            )
        return self


class MethodSection(Section):
    """Who learns."""

    name: Literal[
        "recollection_replay",
        "active_long_term",
        "generative_dual_memory",
        "masked_generator",
        "meta_learned_update",
        "deep_generative_replay",
        "elastic_weight_consolidation",
        "pseudopattern_rehearsal",
        "finetune",
        "rehearsal",
    ] = "recollection_replay"
    """recollection_replay: replays decoded codes; active_long_term: a flexible network held near a stable
    one; generative_dual_memory: a small generator for each task, and a large one; masked_generator: one
    generator that grows with the classes; meta_learned_update: nothing, but by steps that a trained gate lets
    through. Baselines: deep_generative_replay: one generator that replays itself; rehearsal: raw inputs;
    elastic_weight_consolidation: holds weights that mattered; pseudopattern_rehearsal: noise, answered as
    before; finetune: nothing"""
    learning_rate: float | None = Field(default=None, gt=0, examples=[0.05])
    """step size of plain SGD while awake; null chooses by network"""
    recollections_per_step: int = Field(default=10, ge=0)
    """recollections learned beside each batch; deep_generative_replay goes by its own rule"""
    views_per_step: int = Field(default=2, ge=0)
    """new inputs also learned as their own codes show them, so that a class alone in its batch is learned"""
    candidates: Count = 1
    """active sampling: each recollection is the hardest for the learner of so many random ones"""
    targets: Literal["labels", "teacher"] = "labels"
    """what recollections are taught towards: their stored labels, or the averaged weights' answers"""
    steps: Count = 1
    """optimiser steps for each batch; active_long_term and masked_generator take one"""
    ema_decay: float = Field(default=0.995, ge=0, lt=1)
    """of the exponential moving average of weights that answers: what a step leaves of the average before"""
    distillation: float = Field(default=0.0, ge=0)
    """weight of staying near the averaged weights' answers for recollections"""
    ewc_lambda: float = Field(default=1_000.0, ge=0)
    """elastic_weight_consolidation: weight of the penalty (lambda), times the Fisher information"""
    shift_pixels: int | None = Field(default=None, ge=0, examples=[2])
    """random shift of images, either way; null: a twelfth of the width"""
    rotation_degrees: float | None = Field(default=None, ge=0, le=180, examples=[12.0])
    """random rotation of images, either way; null: 12 for one channel, 0 for colour"""
    scaling: float | None = Field(default=None, ge=0, lt=1, examples=[0.1])
    """random scaling of images, a fraction either way; null: 0.1 for one channel, 0 for colour"""
    flip: bool | None = Field(default=None, examples=[True])
    """random mirror images; null: for colour images only"""
    active_long_term: ActiveLongTermSection = Field(default_factory=ActiveLongTermSection)
    generative_dual_memory: GenerativeDualMemorySection = Field(default_factory=GenerativeDualMemorySection)
    masked_generator: MaskedGeneratorSection = Field(default_factory=MaskedGeneratorSection)
    meta_learned_update: MetaLearnedUpdateSection = Field(default_factory=MetaLearnedUpdateSection)


class SleepSection(Section):
    """When and how the neocortex is taught."""

    every_examples: Count | None = Field(default=5_000, examples=[5_000])
    """learned examples between sleeps; null: never by this rule"""
    every_s: Seconds | None = Field(default=None, examples=[3_600.0])
    """seconds between sleeps; goes by the clock, so a run cannot be repeated bit for bit"""
    cron: Annotated[str, AfterValidator(_cron)] | None = Field(default=None, examples=["0 3 * * *"])
    """when to sleep, as a cron expression in UTC"""
    on_memory_full: bool = False
    """sleep when the memory has no free place left, and again when it must keep more all the same"""
    drift: float | None = Field(default=None, gt=0, le=1, examples=[0.1])
    """sleep when prequential accuracy (0 to 1) falls this far below its best since the last sleep"""
    min_examples: int = Field(default=1_000, ge=0)
    """learned examples between any two sleeps that nobody asked for"""
    steps: Count = 200
    """optimiser steps of one sleep"""
    batch_size: Count = 64
    """recollections in one step"""
    learning_rate: float | None = Field(default=None, gt=0, examples=[0.05])
    """first step size, falling to 0; null: that of wake"""
    steps_per_batch: int = Field(default=4, ge=0)
    """sleep steps after each wake batch; 0 pauses the stream until the sleep ends"""
    tolerance: Share = 0.01
    """how much of the exam (0 to 1) a candidate may lose and still be adopted"""


class ExamSection(Section):
    """The ruler of retention: examples withheld from learning."""

    budget_bits: Bits = 256 * 8 * 2**10
    """hard limit in bits of withheld examples, kept raw; 256 KiB"""
    fraction: Share = 0.02
    """share of the stream (0 to 1) that is considered for the exam"""


class EvaluationSection(Section):
    """How often it is measured."""

    prequential_window: Count = 1_000
    """examples in the sliding window of prequential accuracy (answered first, then learned)"""
    every_examples: Count = 5_000
    """learned examples between gradings of the exam for the metrics"""
    readout: bool = True
    """train a linear readout on the exam at each sleep: what the features still know"""
