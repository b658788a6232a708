"""The state of a sleep or transplant that is under way, and the counters of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from streamlearner.learning import lending
from streamlearner.learning.results import ConsolidationResult
from streamlearner.methods.base import DualMemory
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.finiteness import not_finite


@dataclass(slots=True)
class Progress:
    """Counters that a restart must not lose. `version` is the adopted one, `newest` the highest ever;
    `rollbacks` are those to a version or to a checkpoint."""

    learned: int = 0
    withheld: int = 0
    period: int = 0
    version: int = 0
    newest: int = 0
    adopted: int = 0
    refused: int = 0
    rollbacks: int = 0

    def state(self) -> dict[str, int]:
        """As JSON. What 0.1.0 did not count is left out while it is 0."""
        counters = asdict(self)
        return counters if self.rollbacks else {n: c for n, c in counters.items() if n != "rollbacks"}

    def follow(self, *, newest: int, rollbacks: int) -> None:
        """So much was used up already, perhaps in a future that was abandoned."""
        self.newest, self.rollbacks = max(self.newest, newest), max(self.rollbacks, rollbacks)


ROUND_STEPS = 250
"""The most that a restart in a transplant repeats (MNIST, LeNet to MLP: 1 s)."""


@dataclass(slots=True)
class Transplant:
    """The `number`th transplant: `steps` of teaching the network `to`, `done` of them in rounds that ended.

    Each round begins with what the method then remembers and answers, so that what is learned awake
    meanwhile reaches the student too; over all of them the step size falls in one straight line (MNIST, 1,000
    steps: 91.6 % held out; falling to 0 in each round 87.6 %). `outcome`: running, adopted, refused (by the
    exam) or interrupted. `fresh`: taught by the stored labels, not by weights that saw what was erased, and
    adopted whatever the exam says.
    """

    number: int
    to: str
    steps: int
    done: int = 0
    outcome: str = "running"
    before: float | None = None
    after: float | None = None
    fresh: bool = False

    def end_round(self, *, steps: int) -> bool:
        """A round of so many steps has ended; True where another is due."""
        self.done += steps
        return self.done < self.steps

    def end(self, last_round: ConsolidationResult) -> ConsolidationResult:
        """The last round has ended; the result of the whole."""
        self.outcome = last_round.outcome
        self.before, self.after = last_round.before, last_round.after
        return replace(last_round, steps=self.steps, to=self.to, fresh=self.fresh)

    @property
    def left(self) -> int:
        """Steps of the rounds still to come, or under way."""
        return self.steps - self.done


@dataclass(slots=True)
class Consolidation:
    """A sleep, or a round of a transplant, under way; each item of `remaining` is one optimiser step.

    The candidate reads the method's own memory as it was at the beginning. `start` is the rest of its state
    from then: from it a restart re-runs the same `steps` (all chance follows from generators in it), so that
    an interruption changes nothing. `owed` of them are still to be re-run.

    Where the method is about to change more than can be set aside for the candidate, the steps that are left
    are taken at once, `ahead` of their turn; `taught` says that none is left. No step depends on what the
    method learns meanwhile, so this changes nothing but when a step is taken; and the end stays in its turn.
    """

    candidate: DualMemory
    remaining: Iterator[None]
    start: dict[str, Tensor]
    transplant: Transplant | None = None
    steps: int = 0
    owed: int = 0
    ahead: int = 0
    taught: bool = False

    def __post_init__(self) -> None:
        for memory in lending.memories(self.candidate).values():
            memory.call_when_full(self.teach)
        if self.taught:
            self.close()

    def step(self) -> bool:
        """The next step, which may be taken already; False where there is none."""
        if self.ahead:
            self.ahead -= 1
        elif self.taught or next(self.remaining, self) is self:
            return False
        self.steps += 1
        return True

    def rerun(self, steps: int) -> None:
        """At most so many of the steps owed. Where less is due than was taken (settings have changed), it is
        at its end."""
        for _ in range(min(steps, self.owed)):
            if next(self.remaining, self) is self:
                self.steps, self.owed = self.steps - self.owed, 0
                return
            self.owed -= 1

    def has_room(self, examples: int) -> bool:
        """Whether the method may learn so many and the candidate can still be taught afterwards."""
        if self.taught:
            return True
        asks_method = self.transplant is not None and bool(lending.shared(self.candidate))
        memories = lending.memories(self.candidate).values()
        return not asks_method and all(memory.has_room(examples) for memory in memories)

    @torch.enable_grad()
    def teach(self, steps: int | None = None) -> None:
        """Takes so many steps, or all, ahead of their turn."""
        self.rerun(self.owed)
        while not self.taught and (steps is None or steps > 0):
            steps = None if steps is None else steps - 1
            if next(self.remaining, self) is not self:
                self.ahead += 1
                continue
            self.taught = True
            self.close()
            self.start = lending.own_state(self.candidate)

    def close(self) -> None:
        """The candidate reads nothing of the method's any more."""
        for memory in lending.memories(self.candidate).values():
            memory.release()

    @classmethod
    def begin(
        cls, method: DualMemory, candidate: DualMemory, *, transplant: Transplant | None, seed: int
    ) -> Consolidation:
        """A sleep of `method`, or the next round of the transplant. All random draws of a transplant follow
        from `seed`, its number and its round."""
        remaining = _course(method, candidate, transplant, seed=seed)
        return cls(candidate, remaining, lending.own_state(candidate), transplant)

    @classmethod
    def resume(
        cls,
        method: DualMemory,
        candidate: DualMemory,
        saved: Mapping[str, Mapping[str, Tensor]],
        *,
        steps: int,
        taught: int | None,
        transplant: Transplant | None,
        seed: int,
    ) -> Consolidation:
        """One that was saved after so many steps, of which a restart owes all; but where `taught` in all were
        taken ahead. `candidate` is a fresh one, `saved` what a checkpoint holds."""
        start = lending.restore(
            candidate,
            saved["consolidation"],
            method=method,
            method_state=saved["method"],
            aside=saved.get("set_aside", {}),
        )
        if taught is not None:
            return cls(candidate, iter(()), start, transplant, steps, ahead=taught - steps, taught=True)
        course = _course(method, candidate, transplant, seed=seed)
        return cls(candidate, course, start, transplant, steps, owed=steps)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds of it, beside the method, by file."""
        return {"consolidation": self.start, "set_aside": lending.set_aside(self.candidate)}

    @property
    def taught_steps(self) -> int | None:
        """All steps of it, where the last was taken ahead."""
        return self.steps + self.ahead if self.taught else None

    def checked(self, result: ConsolidationResult) -> ConsolidationResult:
        """`result`, but refused where weights of what was taught, or a network's statistics, are not finite,
        which no exam forgives."""
        if not_finite(self.candidate.neocortex) is not None:
            return replace(result, adopted=False, undecided=False)
        return replace(result, adopted=True) if self.transplant and self.transplant.fresh else result

    def transfer_to(self, method: DualMemory) -> None:
        """`method` takes over what the candidate was taught."""
        if self.transplant is None:
            method.adopt(self.candidate)
        else:
            method.switch(self.candidate.neocortex)

    @property
    def stored_bits(self) -> int:
        """Bits of what was experienced that it holds beside the method's own."""
        return lending.dream_bits(self.candidate)


def _course(
    method: DualMemory, candidate: DualMemory, transplant: Transplant | None, *, seed: int
) -> Iterator[None]:
    if isinstance(candidate, Remembering) and transplant is not None and transplant.fresh:
        candidate.label_weight = 1.0
    if transplant is None:
        return method.consolidate(candidate)
    round_seed = seed + (transplant.number << 40) + (transplant.done << 20)
    return method.transplant(
        candidate,
        steps=min(ROUND_STEPS, transplant.left),
        remaining_steps=transplant.left,
        rate_factor=transplant.left / transplant.steps,
        generator=torch.Generator().manual_seed(round_seed),
    )
