"""What a checkpoint holds of a learner: flat tensors by file, and the rest as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from streamlearner.decoding.batch import Batch
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import ClassName
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import NoChange, Prequential
from streamlearner.evaluation.retention import RetentionMatrix
from streamlearner.eyes.eye import Eye, check_same
from streamlearner.learning.choice import Choice
from streamlearner.learning.consolidation import Consolidation
from streamlearner.learning.exam_pieces import Measuring, PartialEvaluation
from streamlearner.learning.predictor import ModelVersion
from streamlearner.learning.progress import Progress, Transplant
from streamlearner.learning.served_accuracy import ServedAccuracy
from streamlearner.learning.shards import apart
from streamlearner.learning.targets import Targets
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import DualMemory
from streamlearner.networks.imputation import MeanImputation


class LearnerState:
    """Everything that is learned or counted. `last_sleep` is the `document` of its result, None before;
    `transplant` the last one, whether under way or ended."""

    eye: Eye | None
    missing: MeanImputation | None
    method: DualMemory
    exam: Exam
    labels: LabelSpace
    tasks: LabelSpace
    prequential: Prequential
    no_change: NoChange
    served: ServedAccuracy
    matrix: RetentionMatrix
    progress: Progress
    readout: dict[str, float]
    consolidation: Consolidation | None
    network: str
    transplant: Transplant | None
    last_sleep: dict[str, Any] | None
    choice: Choice | None = None
    """Of who answers, while it is evaluated."""
    judging: PartialEvaluation | None = None
    """Of a consolidation that took its last step, while the exam judges it."""
    measuring: Measuring | None = None
    """Of what came of the last one, while it is measured."""
    refused_codes: dict[str, Any] | None = None
    """How often codes were refused, and what the last choice was; None before the first."""
    is_shard: bool = False
    """Whether others are to read what it remembers alone: checkpoints then keep that apart."""

    @property
    def version(self) -> ModelVersion:
        return ModelVersion(self.progress.version, self.progress.learned, self.progress.rollbacks)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the stream's inputs: the exam, as the method, has those that the eye made of them."""
        return self.eye.input_shape if self.eye else self.exam.input_shape

    def seen(self, batch: Batch) -> tuple[Batch, int]:
        """The batch as the method takes it, and how many numbers were missing in it."""
        if self.eye is not None:
            return replace(batch, inputs=self.eye.see(batch.inputs, alike=True)), 0
        if self.missing is None:
            return batch, 0
        inputs, filled = self.missing.fill(batch.inputs)
        return replace(batch, inputs=inputs), filled

    def restore_missing(self, means: dict[str, Tensor] | None) -> None:
        """None: of a time when nothing was missing."""
        if self.missing is not None and means is not None:
            self.missing.load_state_dict(means)

    def meet(self, given: Tensor, targets: Targets) -> None:
        """Those of the inputs `given` that are learned tell what missing numbers are filled by."""
        if self.missing is not None:
            self.missing.update(given[torch.unique(targets.examples)])

    def recollections(self, per_class: int) -> list[tuple[ClassName, Tensor]]:
        """Up to `per_class` decoded recollections of each class."""
        return self.recollecting(per_class)()

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[ClassName, Tensor]]]:
        """What makes the same in any thread, of what is remembered now."""
        made, labels = self.method.recollecting(per_class), self.labels.copy()
        return lambda: [(labels.label(index), inputs) for index, inputs in made()]

    def stored_bits(self) -> dict[str, int]:
        """Bits held for experience, by store; `dream` (as the metric names it) while consolidating."""
        awake = self.method.stored_bits() | {"exam": self.exam.stored_bits}
        return awake | ({"dream": self.consolidation.stored_bits} if self.consolidation else {})

    @property
    def asleep(self) -> bool:
        return self.consolidation is not None

    @property
    def unfinished(self) -> bool:
        """Whether `consolidate` has work: asleep, or while what came of a sleep is measured."""
        return self.asleep or self.measuring is not None

    @property
    def owed_steps(self) -> int:
        """Of a consolidation before a restart: to be re-run, by `rerun` or all at once where it is needed."""
        return self.consolidation.owed if self.consolidation else 0

    def rerun(self, steps: int) -> None:
        """The next few steps owed."""
        if self.consolidation:
            self.consolidation.rerun(steps)

    def has_room(self, examples: int) -> bool:
        """Whether so many can be learned before the sleep under way, if any, has taken its last step."""
        return self.consolidation is None or self.consolidation.has_room(examples)

    def teach_ahead(self, steps: int | None = None) -> None:
        """Of the sleep under way so many steps, or all that are left, before their turn."""
        if self.consolidation:
            self.consolidation.teach(steps)

    # checkpoint

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """State as flat tensors, by file: those in use, not copies."""
        files = {"method": dict(self.method.state_dict()), "exam": dict(self.exam.state_dict())}
        if self.missing is not None:
            files["missing"] = dict(self.missing.state_dict())
        files = apart(files, self.method) if self.is_shard else files
        return files | (self.consolidation.tensors() if self.consolidation else {})

    def facts(self) -> dict[str, Any]:
        """State as JSON. Facts added since 0.1.0 are left out while there is nothing to tell."""
        share = self.consolidation.candidate.sleep_share if self.consolidation else 1.0
        added: dict[str, Any] = {
            "last_sleep": self.last_sleep,
            "consolidation_share": share if share < 1 else None,
        }
        added |= {"served_accuracy": self.served.state(), "eye": self.eye.state() if self.eye else None}
        added |= {"contradictions": self.exam.contradictions.state()}
        added["no_change"] = self.no_change.state() if self.no_change.seen else None
        if self.consolidation:
            added["consolidation_taught"] = self.consolidation.taught_steps
            added["consolidation_failed"] = self.consolidation.failed
        added |= {"keeps_ids": self.exam.keeps_ids, "refused_codes": self.refused_codes}
        for name in ("choice", "judging", "measuring"):
            under_way = getattr(self, name)
            added[name] = under_way.state() if under_way else None
        return {name: fact for name, fact in added.items() if fact} | {
            "progress": self.progress.state(),
            "labels": self.labels.state(),
            "tasks": self.tasks.state(),
            "prequential": self.prequential.state(),
            "matrix": self.matrix.state(),
            "readout": self.readout,
            "consolidation_steps": self.consolidation.steps if self.consolidation else None,
            "network": self.network,
            "transplant": asdict(self.transplant) if self.transplant else None,
        }

    def restore_facts(self, facts: dict[str, Any]) -> None:
        """Takes over what does not depend on tensors. Raises ConfigError for what another eye saw."""
        check_same(self.eye, facts.get("eye"))
        for name in ("labels", "tasks", "prequential", "matrix"):
            getattr(self, name).restore(facts[name])
        self.progress = Progress(**facts["progress"])
        self.readout = facts["readout"]
        if (last := facts.get("transplant")) is not None:
            self.transplant = Transplant(**last)
        self.last_sleep, self.refused_codes = facts.get("last_sleep"), facts.get("refused_codes")
        self.choice = Choice.restored(facts.get("choice"))
        self.judging = PartialEvaluation.restored(facts.get("judging"))
        self.measuring = Measuring.restored(facts.get("measuring"))
        if not facts.get("keeps_ids"):
            self._keep_no_ids()
        if (watched := facts.get("served_accuracy")) is not None:
            self.served.restore(watched)
        if (votes := facts.get("contradictions")) is not None:
            self.exam.contradictions.restore(votes)
        if (repeats := facts.get("no_change")) is not None:
            self.no_change.restore(repeats)

    def _keep_no_ids(self) -> None:
        """A state of 0.1.0, which kept none with records and exam, goes on as it would have: what is learned
        from it takes the places that it took."""
        self.exam.keeps_ids = False
        for module in self.method.modules():
            if isinstance(module, RecollectionMemory):
                module.id_bits = 0
