"""All that is learned from the stream, as one unit: saved, restored and compared byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.labels import LabelSpace
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.evaluation.retention import Grades, RetentionMatrix
from streamlearner.learning.consolidation import Dream, Lesson, Progress, Transplant, Verdict
from streamlearner.learning.grading import read_out, sit
from streamlearner.learning.predictor import Predictor
from streamlearner.learning.targets import unfold
from streamlearner.methods.base import DualMemory, Experience
from streamlearner.state.versions import Version


class Learner:
    """The method and all that must agree with it: label spaces, exam, prequential window, R, versions, dream.

    `make_method` builds a fresh method, the same each time, with a network by name, `make_network` the
    network alone (ValueError where it cannot be). `network` is the one configured: a checkpoint may have
    another. `seed` is of what transplants draw. All of it runs on the one learning thread.
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
        measures_readout: bool,
        uses_tasks: bool,
    ) -> None:
        self._make_method = make_method
        self._make_network = make_network
        self.network = self.configured_network = network
        self.seed = seed
        self.method = make_method(network)
        self.exam = exam
        self.prequential = prequential
        self.tolerance = tolerance
        self.measures_readout = measures_readout
        self.uses_tasks = uses_tasks
        self.labels = LabelSpace()
        self.tasks = LabelSpace()
        self.matrix = RetentionMatrix()
        self.progress = Progress()
        self.grades: Grades | None = None
        self.readout: dict[str, float] = {}
        self.dream: Dream | None = None
        self.transplant: Transplant | None = None  # the last one, whether under way or ended

    # wake

    def learn(self, batch: Batch) -> Lesson:
        """Withholds some of the batch for the exam; predicts, then learns, each of the others once."""
        rows = unfold(batch, labels=self.labels, tasks=self.tasks, uses_tasks=self.uses_tasks)
        asked = rows.asked(self.progress.learned + self.progress.withheld)
        withheld = self.exam.withhold(batch.inputs, asked.labels, asked.tasks, period=self.progress.period)
        self.progress.withheld += len(withheld)
        learned = len(batch) - len(withheld)
        if not learned:
            return Lesson(withheld=len(withheld), learned=0, observation=None)
        rows = rows.without(withheld)
        inputs = batch.inputs if len(rows.labels) == len(batch) else batch.inputs[rows.examples]
        observation = self.method.observe(Experience(inputs=inputs, labels=rows.labels, tasks=rows.tasks))
        self.prequential.update((observation.predicted == rows.labels).tolist())
        self.progress.learned += learned
        return Lesson(withheld=len(withheld), learned=learned, observation=observation)

    # sleep

    @property
    def asleep(self) -> bool:
        return self.dream is not None

    def fall_asleep(self) -> None:
        """Takes the candidate: a clone that remembers what is remembered now."""
        self.dream = self._begin(self.method.clone())

    def begin_transplant(self, to: str, *, steps: int) -> Transplant:
        """Falls asleep to teach the network `to`. Raises ValueError for one that cannot take the inputs."""
        student = self._make_network(to)
        number = self.transplant.number + 1 if self.transplant else 1
        self.transplant = Transplant(number=number, to=to, steps=steps)
        self._begin_round(student)
        return self.transplant

    def _begin_round(self, student: nn.Module) -> Dream:
        """The candidate is what the method is now, but with the student for its neocortex."""
        candidate = self.method.clone()
        candidate.neocortex = student
        self.dream = self._begin(candidate, self.transplant)
        return self.dream

    def _begin(self, candidate: DualMemory, transplant: Transplant | None = None) -> Dream:
        return Dream.begin(self.method, candidate, transplant=transplant, seed=self.seed)

    def consolidate(self, steps: int) -> Verdict | None:
        """The next few steps of the sleep; at its end the candidate sits the exam: the verdict."""
        if (dream := self.dream) is None:
            return None
        for _ in range(steps):
            if next(dream.course, self) is not self:
                dream.steps += 1
            elif dream.transplant and dream.transplant.goes_on(after_steps=dream.steps):
                dream = self._begin_round(dream.candidate.neocortex)
            else:
                return self._wake_up(dream)
        return None

    def _wake_up(self, dream: Dream) -> Verdict:
        """Adopts the candidate where the exam, sat by what would answer, loses no more than the tolerance."""
        before = self.grade().overall
        trial = self.method.clone()
        dream.settle(trial)
        after = self._grade(trial).overall
        adopted = before is None or after is None or after >= before - self.tolerance
        if adopted:
            dream.settle(self.method)
            self.progress.newest += 1
            self.progress.version = self.progress.newest
        self.dream, version = None, self.progress.version
        verdict = Verdict(adopted=adopted, steps=dream.steps, before=before, after=after, version=version)
        grades = self.grade()
        if dream.transplant is None:
            self._close_period(grades, adopted=adopted)
        elif adopted:
            self.network = dream.transplant.to
        if self.measures_readout:
            self.readout = read_out(self.exam, self.method, labels=self.labels, tasks=self.tasks)
        return verdict if dream.transplant is None else dream.transplant.end(verdict)

    def _close_period(self, grades: Grades, *, adopted: bool) -> None:
        """A sleep closes one, whatever became of it. (A transplant none: R tells of the stream.)"""
        self.progress.adopted += adopted
        self.progress.refused += not adopted
        self.matrix.add(grades.by_period)
        self.progress.period += 1

    def revert(self, version: Version) -> None:
        """Answers and learns on from an earlier version's neocortex, with its network. A sleep or transplant
        under way is given up."""
        if self.dream and self.dream.transplant:
            self.dream.transplant.outcome = "interrupted"
        self.dream = None
        network = version.network or self.configured_network
        if network != self.network:
            self.method.switch(self._make_network(network))
            self.network = network
        self.method.revert(version.neocortex)
        self.progress.version = version.number

    # evaluation

    def grade(self) -> Grades:
        """Sits the exam with what answers now, and keeps the grades."""
        self.grades = self._grade(self.method)
        return self.grades

    def _grade(self, method: DualMemory) -> Grades:
        return sit(self.exam, method, names_tasks=len(self.tasks) > 0)

    def predictor(self) -> Predictor:
        """What answers now, under its version: adopted version, a point, examples learned."""
        shape, version = self.exam.input_shape, self.version
        return Predictor(
            method=self.method, labels=self.labels, tasks=self.tasks, version=version, input_shape=shape
        )

    @property
    def version(self) -> str:
        return f"{self.progress.version}.{self.progress.learned}"

    def stored_bits(self) -> dict[str, int]:
        """Bits held for experience, by store."""
        awake = self.method.stored_bits() | {"exam": self.exam.stored_bits}
        return awake | ({"dream": self.dream.stored_bits} if self.dream else {})

    # checkpoint

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """State as flat tensors, by file."""
        files = {"method": dict(self.method.state_dict()), "exam": dict(self.exam.state_dict())}
        return files | ({"dream": self.dream.start} if self.dream else {})

    def facts(self) -> dict[str, Any]:
        """State as JSON."""
        return {
            "progress": asdict(self.progress),
            "labels": self.labels.state(),
            "tasks": self.tasks.state(),
            "prequential": self.prequential.state(),
            "matrix": self.matrix.state(),
            "readout": self.readout,
            "dream_steps": self.dream.steps if self.dream else None,
            "network": self.network,
            "transplant": asdict(self.transplant) if self.transplant else None,
        }

    def restore(self, tensors: dict[str, dict[str, Tensor]], facts: dict[str, Any]) -> None:
        """Takes over `tensors()` and `facts()`; a sleep that was under way is dreamt again up to its step."""
        self.labels.restore(facts["labels"])
        self.tasks.restore(facts["tasks"])
        self.prequential.restore(facts["prequential"])
        self.matrix.restore(facts["matrix"])
        self.progress = Progress(**facts["progress"])
        self.readout = facts["readout"]
        if (named := facts.get("network", self.network)) != self.network:
            self.network, self.method = named, self._make_method(named)
        self.method.load_state_dict(tensors["method"])
        self.exam.load_state_dict(tensors["exam"])
        if (last := facts.get("transplant")) is not None:
            self.transplant = Transplant(**last)
        if facts["dream_steps"] is not None:
            self._dream_again(tensors["dream"], steps=facts["dream_steps"])
        self.grade()

    def _dream_again(self, start: dict[str, Tensor], *, steps: int) -> None:
        """The sleep, or the round of a transplant, that was under way, up to its step."""
        candidate, running = self._make_method(self.network), None
        if self.transplant and self.transplant.outcome == "running":
            running = self.transplant
            candidate.neocortex = self._make_network(running.to)
        candidate.load_state_dict(start)
        self.dream = self._begin(candidate, running)
        self.consolidate(steps)
