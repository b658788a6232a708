"""The counters of all that was learned and slept, and how far a transplant is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from streamlearner.learning.results import ConsolidationResult

_ADDED = ("rollbacks", "without_steps")


@dataclass(slots=True)
class Progress:
    """Counters that a restart must not lose. `version` is the adopted one, `newest` the highest ever;
    `rollbacks` are those to a version or to a checkpoint; `without_steps` examples were learned in thinned
    batches without an optimiser step."""

    learned: int = 0
    withheld: int = 0
    period: int = 0
    version: int = 0
    newest: int = 0
    adopted: int = 0
    refused: int = 0
    rollbacks: int = 0
    without_steps: int = 0

    def state(self) -> dict[str, int]:
        """As JSON. What 0.1.0 did not count is left out while it is 0."""
        return {name: count for name, count in asdict(self).items() if count or name not in _ADDED}

    def follow(self, *, newest: int, rollbacks: int) -> None:
        """So much was used up already, perhaps in a future that was abandoned."""
        self.newest, self.rollbacks = max(self.newest, newest), max(self.rollbacks, rollbacks)


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
