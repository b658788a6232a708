"""The settings that shape learning: what is remembered, who learns, when it sleeps, how it is examined."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import pydantic
from pydantic import AfterValidator, Field

from streamlearner.config.part_names import OWN, PartName, PartSection, with_sections
from streamlearner.registry.associations import ASSOCIATIONS
from streamlearner.registry.cron import why_not
from streamlearner.registry.methods import METHODS
from streamlearner.registry.networks import NETWORKS
from streamlearner.registry.part import TARGET, Registry, UnknownPart
from streamlearner.registry.sampling import SAMPLING
from streamlearner.registry.section import Bits, Count, Folder, Seconds, Section, Share


def _cron(text: str) -> str:
    if (reason := why_not(text)) is not None:
        raise ValueError(
            f"a cron expression such as '0 3 * * *' (minute, hour, day, month, weekday; UTC); here {reason}"
        )
    return text


class DaemonSection(Section):
    """The loop that wakes, learns and sleeps."""

    batch_size: Count | Literal["auto"] = 10
    """messages learned in one step; batches are cut by count, so that a run can be repeated bit for bit.
    auto: smallest_batch, and up to largest_batch the more messages wait; a restart repeats what was cut"""
    smallest_batch: Count = 10
    """of batch_size auto: messages of a batch while few wait"""
    largest_batch: Count = 640
    """of batch_size auto: messages of a batch while many wait, at most a hundredth of those before it. The
    number of recollections grows with its square root, the step size stays"""
    when_behind: Literal["wait", "thin"] = "wait"
    """where batches are as large as they get and ever more messages wait. wait: each is learned in full,
    however late; thin: one example in 2, up to 16, of each batch, drawn evenly, gets optimiser steps, while
    memory, statistics and counters take all of them"""
    linger_s: float = Field(default=2.0, ge=0)
    """seconds after which fewer messages are learned, once the source has no more for now"""
    poll_timeout_s: Seconds = 0.2
    """seconds one poll may wait; also how soon a request reaches an idle daemon"""
    at_end: Literal["serve", "exit"] = "serve"
    """once a finite source has been learned: keep serving, or drain and exit 0"""
    on_learning_failure: Literal["dead_letter", "stop"] = "dead_letter"
    """messages at which learning failed twice, with a restart between: dead_letter sets them aside (reason
    learning_failed) and goes on; stop fails there at each start"""

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> DaemonSection:
        if self.largest_batch < self.smallest_batch:
            raise ValueError(
                f"largest_batch {self.largest_batch} is less than smallest_batch {self.smallest_batch}"
            )
        return self


@with_sections
class MemorySection(PartSection):
    """The recollection memory: short codes with their labels."""

    registry: ClassVar[Registry] = SAMPLING
    chooser: ClassVar[str] = "sampling"

    budget_bits: Bits = 64 * 8 * 2**10
    """hard limit in bits of codes, labels and task ids together; 64 KiB. Enough by itself to configure the
    memory; `streamlearner plan` tells what it holds"""
    id_bits: int = Field(default=16, ge=0, le=32)
    """bits of each record that tell by which id to erase it, where examples have ids: a thousand erasures
    take 1.5 % of the others along; one bit less doubles that. 0: erasures by id find nothing in the memory"""
    sampling: Annotated[str, PartName(SAMPLING)] = Field(
        default="balanced", description=f"{SAMPLING.described()}; {OWN}"
    )


@with_sections
class AssociationSection(PartSection):
    """How an input becomes a code, and a code an input."""

    registry: ClassVar[Registry] = ASSOCIATIONS

    name: Annotated[str, PartName(ASSOCIATIONS, also=("auto",))] = Field(
        default="auto",
        description="auto: thumbnail for one-channel images of 16 pixels or more, trellis for colour images, "
        f"else transform; {ASSOCIATIONS.described()}; {OWN}",
    )
    code_bits: Count | None = Field(default=None, examples=[100])
    """bits of one code; null chooses by input shape and memory.budget_bits"""
    from_checkpoint: Folder | None = Field(default=None, examples=["/var/lib/other/checkpoints/00000007"])
    """start from what another association of the same settings learned: the directory of a checkpoint, or a
    safetensors file; is read again at each start. null: from a prior that needs no data"""


@with_sections
class NetworkSection(PartSection):
    """Who answers."""

    registry: ClassVar[Registry] = NETWORKS

    name: Annotated[
        str,
        PartName(
            NETWORKS,
            also=("auto",),
            others="[a-z][a-z0-9_]*",
            elsewhere="a model of torchvision such as mobilenet_v3_small",
        ),
    ] = Field(
        default="auto",
        description="auto: mlp for vectors and images under 16 pixels, lenet for one channel, "
        f"resnet18_reduced for colour; {NETWORKS.described()}; any image classifier of torchvision by its "
        f"name there, for example mobilenet_v3_small; {OWN}. For a new state folder: a checkpoint names its "
        "own, and `streamlearner transplant` changes it",
    )
    weights: str | None = Field(default=None, min_length=1, examples=["DEFAULT"])
    """torchvision's pretrained weights by name, or DEFAULT for its best; fetched once, to pretrained under
    state_dir. null: drawn"""

    def settings_of(self, name: str | None = None) -> Any:
        try:
            return super().settings_of(name)
        except UnknownPart:  # torchvision's
            return None

    @property
    def is_of_torchvision(self) -> bool:
        """Whether only torchvision, which takes a second to import, can say if there is such a network."""
        return not (self.name == "auto" or self.name in NETWORKS.names() or TARGET.fullmatch(self.name))

    @pydantic.model_validator(mode="after")
    def _others_have_no_weights(self) -> NetworkSection:
        if self.weights and not self.is_of_torchvision:
            raise ValueError(
                f"network.weights to be null, as network.name {self.name} is none of torchvision's"
            )
        return self


@with_sections
class MethodSection(PartSection):
    """Who learns."""

    registry: ClassVar[Registry] = METHODS

    name: Annotated[str, PartName(METHODS)] = Field(
        default="recollection_replay", description=f"{METHODS.described()}; {OWN}"
    )
    learning_rate: float | None = Field(default=None, gt=0, examples=[0.05])
    """step size of plain SGD while awake; null chooses by network"""
    recollections_per_step: int = Field(default=10, ge=0)
    """recollections learned beside each batch; deep_generative_replay goes by its own rule"""
    steps: Count = 1
    """optimiser steps for each batch; active_long_term and masked_generator take one"""
    shift_pixels: int | None = Field(default=None, ge=0, examples=[2])
    """random shift of images, either way; null: a twelfth of the width"""
    rotation_degrees: float | None = Field(default=None, ge=0, le=180, examples=[12.0])
    """random rotation of images, either way; null: 12 for one channel, 0 for colour"""
    scaling: float | None = Field(default=None, ge=0, lt=1, examples=[0.1])
    """random scaling of images, a fraction either way; null: 0.1 for one channel, 0 for colour"""
    flip: bool | None = Field(default=None, examples=[True])
    """random mirror images; null: for colour images only, until mirrored ones turn out to look like other
    classes"""


class SleepSection(Section):
    """When and how the neocortex is taught."""

    every_examples: Count | None = Field(default=5_000, examples=[5_000])
    """learned examples between sleeps; null: never by this rule"""
    first_examples: Count | None = Field(default=1_000, examples=[1_000])
    """examples before a first, shorter sleep; then whenever they doubled, until every_examples; null: none"""
    every_s: Seconds | None = Field(default=None, examples=[3_600.0])
    """seconds between sleeps; goes by the clock, so a run cannot be repeated bit for bit"""
    cron: Annotated[str, AfterValidator(_cron)] | None = Field(default=None, examples=["0 3 * * *"])
    """when to sleep, as a cron expression in UTC"""
    on_memory_full: bool = False
    """sleep when the memory has no free place left, and again when it must keep more all the same"""
    drift: float | None = Field(default=None, gt=0, le=1, examples=[0.1])
    """sleep when prequential accuracy (0 to 1) falls this far below its best since the last sleep"""
    on_drift: bool = False
    """sleep when a detector (ADWIN) finds that served accuracy fell, overall or of a class"""
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
    significance: float = Field(default=0.05, gt=0, le=1)
    """level of the paired test: what chance would take more often than this is no loss; 1: no test"""


class ExamSection(Section):
    """The ruler of retention: examples withheld from learning."""

    budget_bits: Bits = 256 * 8 * 2**10
    """hard limit in bits of withheld examples; 256 KiB"""
    fraction: Share = 0.02
    """share of the stream (0 to 1) that is considered for the exam"""
    image_bytes: Annotated[int, Field(ge=256)] | None = Field(default=None, examples=[4_096])
    """bytes of a withheld image, compressed with loss to fit, where it has more; null: kept raw. At 4096 the
    default budget holds 63 images of 224 x 224 x 3, raw it holds one"""


class EvaluationSection(Section):
    """How often it is measured."""

    prequential_window: Count = 1_000
    """examples in the sliding window of prequential accuracy (answered first, then learned)"""
    every_examples: Count = 5_000
    """learned examples between gradings of the exam for the metrics"""
    readout: bool = True
    """train a linear readout on the exam at each sleep: what the features still know"""
