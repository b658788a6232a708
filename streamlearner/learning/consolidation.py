"""A sleep, or a round of a transplant, that is under way."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from streamlearner.errors import StreamlearnerError
from streamlearner.learning import lending
from streamlearner.learning.progress import Transplant
from streamlearner.learning.results import ConsolidationResult
from streamlearner.methods.base import DualMemory
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.finiteness import not_finite
from streamlearner.networks.seeded import SEED_LIMIT

log = logging.getLogger(__name__)
_SHOWN = 300


ROUND_STEPS = 250
"""The most that a restart in a transplant repeats (MNIST, LeNet to MLP: 1 s)."""


@dataclass(slots=True)
class Consolidation:
    """A sleep, or a round of a transplant, under way; each item of `remaining` is one optimiser step.

    The candidate reads the method's own memory as it was at the beginning. `start` is the rest of its state
    from then: from it a restart re-runs the same `steps` (all chance follows from generators in it), so that
    an interruption changes nothing. `owed` of them are still to be re-run.

    Where the method is about to change more than can be set aside for the candidate, the steps that are left
    are taken at once, `ahead` of their turn; `taught` says that none is left. No step depends on what the
    method learns meanwhile, so this changes nothing but when a step is taken; and the end stays in its turn.

    A step that cannot be taken is the last: `failed` says why, and nothing of it is adopted. Else each
    restart would end where the one before did.
    """

    candidate: DualMemory
    remaining: Iterator[None]
    start: dict[str, Tensor]
    transplant: Transplant | None = None
    steps: int = 0
    owed: int = 0
    ahead: int = 0
    taught: bool = False
    failed: str | None = None

    def __post_init__(self) -> None:
        for memory in lending.memories(self.candidate).values():
            memory.call_when_full(self.teach)
        if self.taught:
            self.close()

    def step(self) -> bool:
        """The next step, which may be taken already; False where there is none."""
        if self.ahead:
            self.ahead -= 1
        elif self.taught or not self._advance():
            return False
        self.steps += 1
        return True

    def _advance(self) -> bool:
        """One more step of the method's; False where there is none."""
        try:
            return next(self.remaining, self) is not self
        except StreamlearnerError:
            raise
        except Exception as error:  # a method may be anyone's code, and memory may be short
            return self._fail(error)

    def _fail(self, error: Exception) -> bool:
        log.error("a sleep failed, and is given up: what was learned awake stays", exc_info=error)
        self.failed = f"{type(error).__name__}: {error}"[:_SHOWN]
        self.remaining = iter(())
        return False

    def rerun(self, steps: int) -> None:
        """At most so many of the steps owed. Where less is due than was taken (settings have changed), it is
        at its end."""
        for _ in range(min(steps, self.owed)):
            if not self._advance():
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
            if self._advance():
                self.ahead += 1
                continue
            self.finish()

    def finish(self) -> None:
        """It has taken its last step: a restart takes none again, while it is judged."""
        if not self.taught:
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
        failed: str | None,
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
            ahead, done = taught - steps, iter(())
            return cls(candidate, done, start, transplant, steps, ahead=ahead, taught=True, failed=failed)
        course = _course(method, candidate, transplant, seed=seed)
        return cls(candidate, course, start, transplant, steps, owed=steps)

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds of it, beside the method, by file."""
        return {"consolidation": self.start, "set_aside": lending.set_aside(self.candidate)}

    @property
    def taught_steps(self) -> int | None:
        """All steps of it, where the last was taken ahead."""
        return self.steps + self.ahead if self.taught else None

    def begins_another_round(self) -> bool:
        """At the end of a transplant's round, which is counted: whether another is due."""
        return (
            self.transplant is not None
            and self.failed is None
            and self.transplant.end_round(steps=self.steps)
        )

    def checked(self, result: ConsolidationResult) -> ConsolidationResult:
        """`result`, but refused where weights of what was taught, or a network's statistics, are not finite,
        which no exam forgives."""
        if self.failed is not None:
            return replace(result, adopted=False, undecided=False, failed=self.failed)
        if not_finite(self.candidate.neocortex) is not None:
            return replace(result, adopted=False, undecided=False)
        return replace(result, adopted=True) if self.transplant and self.transplant.fresh else result

    def try_on(self, trial: DualMemory) -> None:
        """`transfer_to` a copy, for the exam; a failure is one of the sleep."""
        try:
            if self.failed is None:
                self.transfer_to(trial)
        except Exception as error:
            self._fail(error)

    def transfer_to(self, method: DualMemory) -> None:
        """`method` takes over what the candidate was taught."""
        if self.transplant is None:
            return method.adopt(self.candidate)
        method.switch(self.candidate.neocortex)

    def rebuild_sums(self, method: DualMemory) -> None:
        """Where a fresh network was taught, `method` keeps no sums of what it does not remember."""
        if self.transplant is not None and self.transplant.fresh and isinstance(method, Remembering):
            method.rebuild_sums()

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
    round_seed = (seed + (transplant.number << 40) + (transplant.done << 20)) % SEED_LIMIT
    return method.transplant(
        candidate,
        steps=min(ROUND_STEPS, transplant.left),
        remaining_steps=transplant.left,
        rate_factor=transplant.left / transplant.steps,
        generator=torch.Generator().manual_seed(round_seed),
    )
