"""All that is learned from a stream, as one unit: saved, restored and compared byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import Tensor, nn

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import NoChange, Prequential
from streamlearner.evaluation.retention import RetentionMatrix
from streamlearner.eyes.eye import Eye
from streamlearner.learning.choice import Choice
from streamlearner.learning.consolidation import Consolidation
from streamlearner.learning.ending import Ending
from streamlearner.learning.exam_pieces import STEPS_OF_A_PIECE, pieces_of
from streamlearner.learning.predictor import Predictor
from streamlearner.learning.progress import Progress, Transplant
from streamlearner.learning.results import SIGNIFICANCE, ConsolidationResult, LearningResult, judged
from streamlearner.learning.served_accuracy import ServedAccuracy
from streamlearner.learning.shards import joined
from streamlearner.learning.targets import expand
from streamlearner.methods.base import DualMemory
from streamlearner.networks.imputation import MeanImputation
from streamlearner.state.versions import Version


class Learner(Ending):
    """The method and all that must agree with it: label spaces, exam, prequential window, R, versions, and
    the consolidation under way.

    `make_method` builds a fresh method, the same each time, with a network by name; `make_network` the
    network alone (ValueError where it cannot be). `network` is the one configured: a checkpoint may have
    another. `seed` is that of the transplants; `usual_batch` see `Observing`. All of it runs on the one
    learning thread.
    """

    def __init__(
        self,
        *,
        make_method: Callable[[str], DualMemory],
        make_network: Callable[[str], nn.Module],
        network: str,
        seed: int,
        exam: Exam,
        prequential: Prequential,
        tolerance: float,
        significance: float = SIGNIFICANCE,
        measures_readout: bool,
        uses_tasks: bool,
        eye: Eye | None = None,
        missing: MeanImputation | None = None,
        usual_batch: int | None = None,
    ) -> None:
        self._make_method, self._make_network = make_method, make_network
        self.eye, self.missing, self.usual_batch = eye, missing, usual_batch
        self.network = self.configured_network = network
        self.seed, self.measures_readout = seed, measures_readout
        self.method = make_method(network)
        self.exam, self.prequential, self.uses_tasks = exam, prequential, uses_tasks
        self.no_change = NoChange(window=prequential.window)
        self.significance, self._judged = significance, partial(judged, tolerance=tolerance)
        self.labels, self.tasks = LabelSpace(), LabelSpace()
        self.matrix, self.progress, self.served = RetentionMatrix(), Progress(), ServedAccuracy()
        self.exam_accuracy = None
        self.readout: dict[str, float] = {}
        self.consolidation = self.last_sleep = self.transplant = None

    # wake

    def learn(self, batch: Batch, *, one_in: int = 1) -> LearningResult:
        """Withholds some of the batch for the exam; predicts, then learns, each of the others: of so many
        one by optimiser steps, all by what else is learned."""
        self.rerun(self.owed_steps)
        (batch, filled), given = self.seen(batch), batch.inputs
        targets = expand(batch, labels=self.labels, tasks=self.tasks, uses_tasks=self.uses_tasks)
        asked = targets.one_each(self.progress.learned + self.progress.withheld)
        withheld = self.exam.withhold(
            batch.inputs, asked.labels, asked.tasks, period=self.progress.period, ids=asked.ids
        )
        self.progress.withheld += len(withheld)
        learned = len(batch) - len(withheld)
        if not learned:
            return LearningResult(withheld=len(withheld), learned=0, observation=None, filled=filled)
        targets = targets.without(withheld)
        self.meet(given, targets)
        inputs = batch.inputs if len(targets.labels) == len(batch) else batch.inputs[targets.examples]
        if not self.has_room(len(targets.labels)):
            self.teach_ahead()
        before = self.progress.learned
        observation, falls, without_steps = self.observe(inputs, targets, one_in=one_in)
        self.progress.learned += learned
        self.progress.without_steps += without_steps
        code = self._choose_anew(before, asked.labels[withheld])
        return LearningResult(len(withheld), learned, observation, falls, filled, code, without_steps)

    # sleep

    def begin_consolidation(self, *, share: float = 1.0) -> None:
        """Begins a sleep of this share of the configured steps, of what is now."""
        candidate = self.method.candidate()
        candidate.sleep_share = share
        self.consolidation = self._begin(candidate)

    def begin_transplant(self, to: str, *, steps: int, fresh: bool = False) -> Transplant:
        """Begins to teach the network `to`. Raises ValueError for one that cannot take the inputs."""
        student = self._make_network(to)
        number = self.transplant.number + 1 if self.transplant else 1
        self.transplant = Transplant(number=number, to=to, steps=steps, fresh=fresh)
        self._begin_round(student)
        return self.transplant

    def _begin_round(self, student: nn.Module) -> Consolidation:
        """The candidate is what the method is now, but with the student for its neocortex."""
        candidate = self.method.candidate()
        candidate.neocortex = student
        self.consolidation = self._begin(candidate, self.transplant)
        return self.consolidation

    def restart_consolidation(self) -> None:
        """What is under way, if anything, begins again from what is remembered now."""
        self.judging = None
        if (current := self.consolidation) is None:
            return
        if current.transplant is None:
            return self.begin_consolidation(share=current.candidate.sleep_share)
        prefix, student = "neocortex.", self._make_network(current.transplant.to)
        held = {name: tensor for name, tensor in current.start.items() if name.startswith(prefix)}
        student.load_state_dict({name.removeprefix(prefix): tensor for name, tensor in held.items()})
        self._begin_round(student)

    def _begin(self, candidate: DualMemory, transplant: Transplant | None = None) -> Consolidation:
        self.finish_measuring()
        if self.consolidation:
            self.consolidation.close()  # it would go on setting aside what it reads
        return Consolidation.begin(self.method, candidate, transplant=transplant, seed=self.seed)

    def consolidate(self, steps: int) -> ConsolidationResult | None:
        """Takes the next few steps, where a consolidation is under way; its result, once it has ended. A
        piece of the exam that judges it, or measures what came of it, takes the place of some steps."""
        if (current := self.consolidation) is None:
            self.measure(pieces_of(steps))
            return None
        current.rerun(current.owed)
        if self.judging is not None:
            return self._judge(pieces_of(steps))
        for taken in range(steps):
            if current.step():
                continue
            current.close()
            if current.begins_another_round():
                current = self._begin_round(current.candidate.neocortex)
            else:
                return self._end_consolidation(current, pieces=(steps - taken) // STEPS_OF_A_PIECE)
        return None

    def abandon_consolidation(self) -> None:
        """Gives up the sleep or transplant under way, if any: nothing of it stays."""
        self.judging = None
        if self.consolidation:
            self.consolidation.close()
            if self.consolidation.transplant:
                self.consolidation.transplant.outcome = "interrupted"
        self.consolidation = None

    def revert(self, version: Version) -> None:
        """Answers and learns on from an earlier version's neocortex, with its network. A sleep or transplant
        under way is given up."""
        self.finish_measuring()
        self.abandon_consolidation()
        network = version.network or self.configured_network
        if network != self.network:
            self.method.switch(self._make_network(network))
            self.network = network
        self.method.revert(version.neocortex)
        self.choice = self.choice and Choice()  # what was graded so far was of another network
        self.progress.version = version.number
        self.progress.rollbacks += 1

    def predictor(self) -> Predictor:
        """What answers now."""
        return Predictor(
            method=self.method, labels=self.labels, tasks=self.tasks, version=self.version,
            input_shape=self.input_shape, eye=self.eye, missing=self.missing,
        )  # fmt: skip

    # checkpoint

    def restore(self, tensors: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> None:
        """Takes over `tensors()` and `facts()`. Steps of a consolidation under way are owed from then on."""
        if (named := facts.get("network", self.network)) != self.network:
            self.network, self.method = named, self._make_method(named)
        self.restore_facts(facts)
        tensors = joined(tensors)
        self.method.load_state_dict(tensors["method"])
        self.exam.load_state_dict(tensors["exam"])
        self.restore_missing(tensors.get("missing"))
        if (steps := facts["consolidation_steps"]) is not None:
            self._begin_again(tensors, steps, facts)
        self.evaluate()

    def _begin_again(
        self, tensors: dict[str, dict[str, Tensor]], steps: int, facts: Mapping[str, Any]
    ) -> None:
        """The sleep, or the round of a transplant, that was under way."""
        candidate, running = self._make_method(self.network), None
        candidate.sleep_share = facts.get("consolidation_share", 1.0)
        if self.transplant and self.transplant.outcome == "running":
            running = self.transplant
            candidate.neocortex = self._make_network(running.to)
        self.consolidation = Consolidation.resume(
            self.method,
            candidate,
            tensors,
            steps=steps,
            taught=facts.get("consolidation_taught"),
            failed=facts.get("consolidation_failed"),
            transplant=running,
            seed=self.seed,
        )
