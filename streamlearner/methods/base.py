"""The contract of a method: a hippocampus that learns while awake, a neocortex that outlives every sleep."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from streamlearner.methods.seen_classes import Curriculum


@dataclass(frozen=True, slots=True)
class Experience:
    """What a method learns from in one wake step.

    `inputs` [n, C, H, W] uint8 or [n, d] float32; `labels` [n] int64 class indices (dense, open: a new
    class has the next index); `tasks` [n] int64 task indices, or None where the stream names no task.
    """

    inputs: Tensor
    labels: Tensor
    tasks: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one wake step tells the daemon: `predicted` [n] int64, answered *before* learning (prequential),
    and the mean loss of the step. `distortion_l1` is the mean absolute error of the codes it stored, where
    it stores any."""

    predicted: Tensor
    loss: float
    distortion_l1: float | None = None


class DualMemory(nn.Module, ABC):
    """A method. The daemon calls everything here from its one learning thread, except on frozen copies.

    For implementers:

    - Register all state as submodules, parameters and buffers (a generator or an optimiser goes through
      `get_extra_state` as a flat tensor): clone, adopt, checkpoint, bit accounting and serving then work by
      themselves. `state_dict()` must be a flat mapping of tensors that `load_state_dict` puts exactly into
      a freshly built method, however much the first one had grown.
    - Draw only from generators given at construction. Two methods in the same state that observe the same
      experiences stay bit-identical.
    - `hippocampus` and `neocortex` are submodules of the same shape or not, as the paper has it.
    - Keep nothing of an input beyond the step that learned it, but codes, generators' weights and counted
      buffers.
    """

    hippocampus: nn.Module
    neocortex: nn.Module
    curriculum: Curriculum

    stores: ClassVar[tuple[str, ...]] = ("memory", "chance")
    """Submodules that are no parameters: what was experienced (in `stored_bits`), and random generators."""
    waking_only: ClassVar[tuple[str, ...]] = ("memory", "chance", "association", "neocortex")
    """Submodules (dotted paths) that no prediction needs; a frozen copy is made without them."""
    can_transplant: ClassVar[bool] = False
    """Whether `transplant` works: only a method that remembers inputs can teach another network from them."""

    @classmethod
    def build(cls, settings: Any, components: Any) -> Self:
        """A fresh method, the same each time: `settings` are its own (an object of the class `Settings` in
        its class, None where it has none), `components` a `components.Components`."""
        raise NotImplementedError(f"{cls.__name__} has no `build(cls, settings, components)`")

    @classmethod
    def check(cls, settings: Any) -> None:
        """Raises ConfigError where `build` could not succeed whatever the inputs: called at the start, as the
        first input, which tells the shape, may come an hour later."""

    @abstractmethod
    def observe(self, experience: Experience) -> Observation:
        """Wake learning: predicts, learns each example once, remembers. New classes may come at any time."""

    @abstractmethod
    def consolidate(self, candidate: Self) -> Iterator[None]:
        """Sleep: teaches `candidate.neocortex`; each `yield` is one optimiser step.

        `candidate` is a clone taken when the sleep began: what it remembers does not change while `self`
        goes on learning awake. Must not change `self`, and must not read what changes while awake, so that
        the same sleep can be dreamt again after a crash.
        """

    @abstractmethod
    def adopt(self, candidate: Self) -> None:
        """Takes over the neocortex of a candidate that passed the exam. `self` may have learned since the
        sleep began."""

    @abstractmethod
    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Goes back to an earlier version's neocortex, given as its state; the hippocampus starts again
        from there."""

    def transplant(
        self, candidate: Self, *, steps: int, left: int, pace: float, generator: torch.Generator
    ) -> Iterator[None]:
        """Teaches `candidate.neocortex`, a network of any architecture, from recollections alone: `steps` of
        the `left` in which its step size falls from `pace` of the full one to 0. `generator` gives all
        chance. Otherwise as `consolidate`."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to teach another network from")

    def switch(self, network: nn.Module) -> None:
        """Learns and answers with copies of `network`, of any architecture, from now on."""
        raise NotImplementedError(f"{type(self).__name__} keeps the network that it was built with")

    @abstractmethod
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        """Probabilities [n, classes] float32 for raw `inputs` (as in Experience). A task (index, -1 for none)
        restricts the answer to the classes seen with it. No gradient, no draw, no change of state."""

    @abstractmethod
    def features(self, inputs: Tensor) -> Tensor:
        """The representation [n, f] float32 that a linear readout is trained on (002, section 3)."""

    @property
    def classes(self) -> int:
        """How many classes have been seen."""
        return self.curriculum.classes

    @property
    def route(self) -> str:
        """Which memory answers now: `hippocampus` or `neocortex`."""
        return "hippocampus"

    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Up to `per_class` decoded recollections of each class: (class index, inputs [k, *shape] uint8 or
        float32). Empty for a method that remembers no inputs. Changes no state."""
        return []

    @property
    def remembered(self) -> int:
        """Recollections held now."""
        return 0

    def remembered_by_class(self) -> dict[int, int]:
        """Recollections held of each class index."""
        return {}

    def units(self) -> dict[str, int]:
        """Units of a memory that grows, by state; none of one that does not."""
        return {}

    def stored_bits(self) -> dict[str, int]:
        """Bits really held for what was experienced, by store; all inside the budget."""
        return {}

    def parameter_bits(self) -> dict[str, int]:
        """Bits of parameters and buffers, by top-level module, the stores left out; those of the method
        itself by their own names."""
        own = {name: [tensor] for name, tensor in self.named_buffers(recurse=False)}
        modules = {name: list(module.state_dict().values()) for name, module in self.named_children()}
        return {
            name: sum(tensor.numel() * tensor.element_size() * 8 for tensor in tensors)
            for name, tensors in (modules | own).items()
            if name not in self.stores
        }

    @property
    def fullness(self) -> int:
        """How full the memory is: 0 while it has a free place, 1 without, more where more was kept than it
        has places for. Each time that it rises, `sleep.on_memory_full` asks for a sleep."""
        return 0

    def clone(self) -> Self:
        """A copy that shares nothing, generators included."""
        return copy.deepcopy(self)

    def frozen(self) -> Self:
        """A copy for predictions only: no gradients, evaluation mode, without what only waking needs."""
        modules = dict(self.named_modules())
        left_out: dict[int, Any] = {
            id(modules[name]): nn.Identity() for name in self.waking_only if name in modules
        }
        return copy.deepcopy(self, memo=left_out).eval().requires_grad_(False)


class Chance(nn.Module):
    """A method's own random generator as a submodule: checkpointed and cloned with everything else.

    Register it before any submodule that was handed its `generator`, so that a clone's draw from the clone's.
    """

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)

    def get_extra_state(self) -> Tensor:
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        self.generator.set_state(state)

    def __deepcopy__(self, memo: dict[int, object]) -> Chance:
        twin = Chance(seed=0)
        twin.set_extra_state(self.get_extra_state())
        memo[id(self)] = twin
        memo[id(self.generator)] = twin.generator  # others that were handed this generator follow
        return twin


def unit_interval(inputs: Tensor) -> Tensor:
    """Raw inputs as networks and associations take them: uint8 to float32 in [0, 1], features unchanged."""
    return inputs.to(torch.float32).div_(255.0) if inputs.dtype == torch.uint8 else inputs


def raw(inputs: Tensor) -> Tensor:
    """The way back: images [n, C, H, W] float32 in [0, 1] to uint8, feature vectors unchanged."""
    return (inputs * 255.0).round().to(torch.uint8) if inputs.ndim == 4 else inputs
