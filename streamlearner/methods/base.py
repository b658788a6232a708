"""The contract of a method: a hippocampus that learns while awake, a neocortex that sleep consolidates."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.experience import Experience as Experience
from streamlearner.methods.experience import Observation as Observation
from streamlearner.methods.experience import Removed, Selection
from streamlearner.methods.experience import raw as raw
from streamlearner.methods.experience import unit_interval as unit_interval
from streamlearner.methods.rng import Rng as Rng  # authors of methods find all of these here
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.at_rest import at_rest
from streamlearner.networks.frozen import frozen_copy
from streamlearner.networks.head import erase_row
from streamlearner.networks.parameters import parameter_bits


class DualMemory(nn.Module, ABC):
    """A method of continual learning: the base class of all, and the contract for its implementer.

    When and from where it is called. All calls come one at a time from the daemon's one learning thread (in a
    program, from the thread that calls the `Learner`); `predict_proba`, `features`, `classes` and `route` are
    also used by other threads, on `frozen` copies. After `build`, and `load_state_dict` where a checkpoint is
    restored, every batch goes to `observe`. A sleep takes `candidate = method.candidate()` and runs
    `method.consolidate(candidate)`, whose steps alternate with further batches. When it is done, a clone of
    the method adopts the candidate and is evaluated on the exam: if retention has not fallen,
    `method.adopt(candidate)` follows, else the candidate is dropped. Between any two batches the method may
    be saved (`state_dict`), evaluated, shown (`recollect`), counted (`stored_bits`) or reverted (`revert`).

    Guaranteed to you: labels are dense; inputs are valid, finite, and of the shape and type that you were
    built for; what `observe` was given does not change afterwards. An exception ends the daemon.

    What you guarantee:

    - All state is in submodules, parameters and buffers (a random generator in an `Rng`, an optimiser in a
      `networks.adam.Adam`): cloning, checkpoints, bit accounting and serving then need no code of yours.
      `state_dict()` is a flat mapping of tensors that `load_state_dict` restores exactly in a newly built
      method, however much the saved one had grown.
    - All random draws come from generators given at construction. Two methods in the same state that observe
      the same experiences stay identical to the bit.
    - `hippocampus` and `neocortex` are submodules. A model version is the state of the neocortex.
    - Nothing of an input is kept after `observe` but codes, weights of generators, and buffers counted by
      `stored_bits`.
    """

    hippocampus: nn.Module
    neocortex: nn.Module
    seen_classes: SeenClasses
    sleep_share: float = 1.0
    """Of a candidate: the share of the configured steps that its sleep takes (`Sleep.steps_of`), less than 1
    where little was learned since the last one."""

    stores: ClassVar[tuple[str, ...]] = ("memory", "rng")
    """Submodules, by dotted name, that are no parameters: memories (see `stored_bits`), random generators."""
    training_only: ClassVar[tuple[str, ...]] = ("memory", "rng", "association", "neocortex")
    """Submodules, by dotted name, that no prediction needs: `frozen` copies are without them."""
    lent: ClassVar[tuple[str, ...]] = ("memory",)
    """Submodules, by dotted name, that a `candidate` does not copy: recollection memories, which it reads as
    they were when it was made, but no longer when it is adopted; and others, which change with those of the
    method: `consolidate` may not read these."""
    thins: ClassVar[bool] = False
    """Whether `observe` heeds `Experience.trained`; it remembers and counts the others all the same."""
    can_transplant: ClassVar[bool] = False
    """Whether `transplant` and `switch` work: the method can train another network from recollections."""

    @classmethod
    def build(cls, settings: Any, components: Any) -> Self:
        """A fresh method, the same each time: `settings` are its own (an object of the class `Settings` in
        its class, None where it has none), `components` a `components.Components`."""
        raise NotImplementedError(f"{cls.__name__} has no `build(cls, settings, components)`")

    @classmethod
    def check(cls, settings: Any) -> None:
        """Raises ConfigError where `build` could not succeed whatever the inputs: called at the start."""

    @abstractmethod
    def observe(self, experience: Experience) -> Observation:
        """Wake learning, once for each batch: predicts, learns each example once, and remembers. The batch
        may bring classes and tasks that are new."""

    @abstractmethod
    def consolidate(self, candidate: Self) -> Iterator[None]:
        """Sleep: a generator that trains `candidate.neocortex`; each `yield` is one optimiser step.

        `candidate` was made when the sleep began; what it remembers does not change while `self` goes on
        learning, and is only to be read. Steps may be taken sooner than they are counted. Must not change
        `self`, nor read from `self` what `observe` changes (settings may be read): after a crash the same
        steps are run again from the candidate's saved state, and must give the same bits.
        """

    @abstractmethod
    def adopt(self, candidate: Self) -> None:
        """Takes over the neocortex of a candidate whose consolidation is complete and that passed the exam.
        `self` may have learned more batches since the candidate was cloned."""

    @abstractmethod
    def revert(self, neocortex: dict[str, Tensor]) -> None:
        """Returns to an earlier model version, whose neocortex had this state. It may know fewer classes."""

    def erase(self, selection: Selection) -> Removed:
        """Removes what was kept of some examples. A class that goes is not answered until it comes again."""
        self.seen_classes.erase(label=selection.label, task=selection.task)
        erase_row(self, selection.label)
        return Removed()

    def transplant(
        self,
        candidate: Self,
        *,
        steps: int,
        remaining_steps: int,
        rate_factor: float,
        generator: torch.Generator,
    ) -> Iterator[None]:
        """Trains `candidate.neocortex`, a network of any architecture, from recollections alone. Otherwise as
        `consolidate`.

        A transplant runs in rounds: this one takes `steps` of the `remaining_steps`, over which the learning
        rate falls linearly to 0 from `rate_factor` times the network's own. All random draws come from
        `generator`. Raises NotImplementedError unless `can_transplant`.
        """
        raise NotImplementedError(f"{type(self).__name__} remembers no inputs to train another network from")

    def switch(self, network: nn.Module) -> None:
        """Learns and predicts with copies of `network`, of any architecture; or NotImplementedError."""
        raise NotImplementedError(f"{type(self).__name__} keeps the network that it was built with")

    @abstractmethod
    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        """Probabilities [n, classes] float32 for raw `inputs` (as in `Experience`). A named task (index [n],
        -1 for none) restricts the answer to the classes seen with it. Without gradient, without random draws,
        and without change of state: frozen copies are called from several threads."""

    def graph(self) -> nn.Module:
        """`predict_proba` of a `frozen` copy, which it may use up, for `torch.export` (see `graphs`)."""
        raise NotImplementedError(f"{type(self).__name__} has no `graph`, so its answers cannot be exported")

    @abstractmethod
    def features(self, inputs: Tensor) -> Tensor:
        """The representation [n, f] float32 of raw `inputs`: for a readout (002, section 3), and more."""

    @property
    def classes(self) -> int:
        """How many classes have been seen."""
        return self.seen_classes.classes

    @property
    def route(self) -> str:
        """Who answers now, one of `telemetry.series.ROUTES`: the route in metrics and predictions."""
        return "hippocampus"

    @property
    def taught_in_sleep(self) -> str | None:
        """The answerer that a sleep changes, by whose accuracy it is adopted; None: whoever answers."""
        return None

    @property
    def answerers(self) -> tuple[str, ...]:
        """Between whom the method can choose; one name, where it cannot."""
        return (self.route,)

    def answers(self, inputs: Tensor, tasks: Tensor | None) -> dict[str, Tensor]:
        """Probabilities as of `predict_proba`, of each of `answerers`."""
        return {self.route: self.predict_proba(inputs, tasks)}

    def answers_by(self, name: str, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        """The same of one of them."""
        return self.answers(inputs, tasks)[name]

    def choose_answerer(self, exam_hits: Mapping[str, Tensor], labels: Tensor) -> None:
        """Told now and then which examples of the exam each answerer has right, [n] bool, and their `labels`
        [n]: another one may answer from now on."""

    def heed_readout(self, accuracy: float) -> None:
        """Told after each sleep the accuracy of a linear readout of `features` on the exam, if any."""

    @property
    def unsettled(self) -> bool:
        """Whether each batch may change the answers much: what is served then follows at once."""
        return False

    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Up to `per_class` recollections of each class, decoded or generated: (class index, inputs [k,
        *shape] uint8 or float32). Empty for a method that remembers no inputs. Changes no state."""
        return []

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[int, Tensor]]]:
        """What makes `recollect` of now in any thread, so that decoding does not hold learning up."""
        found = self.recollect(per_class)
        return lambda: found

    def coded(self, inputs: Tensor) -> Tensor | None:
        """Raw inputs [n, *shape] as a recollection of each would be; None for a method without codes."""
        return None

    @property
    def remembered(self) -> int:
        """How many recollections are held now."""
        return 0

    def remembered_by_class(self) -> dict[int, int]:
        """How many recollections are held now, by class index."""
        return {}

    def units(self) -> dict[str, int]:
        """Of a generator that grows, its units by state (reserved, free, ...); empty for others."""
        return {}

    def stored_bits(self) -> dict[str, int]:
        """Bits allocated for what was experienced, by store: within the memory's budget at any time."""
        return {}

    def parameter_bits(self) -> dict[str, int]:
        """Bits of parameters and buffers by top-level submodule (or own buffer), without `stores`."""
        return parameter_bits(self, without=self.stores)

    @property
    def fullness(self) -> int:
        """0 while the memory has a free place, 1 when it is full, more where it holds more than it has places
        for. Whenever it rises, `sleep.on_memory_full` asks for a sleep."""
        return 0

    def clone(self) -> Self:
        """A deep copy that shares nothing with this one; random generators are copied, too."""
        return copy.deepcopy(self)

    def candidate(self) -> Self:
        """Who is taught in a sleep: a copy that shares with this one what is `lent`."""
        found = [module for name, module in self.named_modules() if name in self.lent]
        lent = {id(it): it.lend() if isinstance(it, RecollectionMemory) else it for it in found}
        return copy.deepcopy(self, lent)

    def unused_by_predictions(self) -> tuple[str, ...]:
        """`training_only`, or less of it where that depends on the state."""
        return self.training_only

    def frozen(self) -> Self:
        """A copy for predictions: without gradients, in evaluation mode, and without the submodules of
        `unused_by_predictions`."""
        copied: Self = frozen_copy(self, without=self.unused_by_predictions())
        return at_rest(copied.eval().requires_grad_(False))
