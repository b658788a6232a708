"""Learns each batch together with recollections of old examples, decoded from a reservoir of short codes.

After Riemer, Franceschini and Klinger, "Generation and Consolidation of Recollections for Efficient Deep
Lifelong Learning" (paper 003), sections 4.3 and 4.4.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.memory.records import Recollections
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.answerers import LIVE, STATISTICS
from streamlearner.methods.answering import Answering
from streamlearner.methods.base import Experience, Observation, Rng
from streamlearner.methods.chooses_answerer import ChoosesAnswerer
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.recalling import (
    Recall,
    Recalled,
    Step,
    asymmetric_cross_entropy,
    asymmetric_cross_entropy_by_hand,
)
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.averaged import AveragedNetwork
from streamlearner.networks.base import Network
from streamlearner.networks.by_hand import descend
from streamlearner.registry.methods import RecollectionReplaySection
from streamlearner.statistics.mirrors import Mirrors

DISTORTION_EVERY_STEPS = 20
"""Steps between two measurements, as each costs as much as encoding a batch."""


class RecollectionReplay(ChoosesAnswerer):
    """The default method: retention per bit by replaying decoded codes.

    Wake (`observe`): sample recollections; learn new and old together; store the code of the new. Sleep
    (`consolidate`): starting from the averaged weights, learn class-balanced recollections with a falling
    learning rate (with `distillation`, held near the predictions of the averaged weights), which corrects the
    bias to recent classes.

    Differs from the paper: the association may also be a transform codec, which needs no training; new
    examples compete only among the classes of their batch, recollections among all (ER-ACE, Caccia et al.,
    2022), as otherwise old classes would be recognised by the blur of their recollections; some new inputs
    are also learned as views decoded from their own codes; an exponential moving average of the weights
    answers, or whoever does better; a task named restricts the competition to its classes (as for GEM).
    """

    thins = True
    neocortex: Network
    augmentation: Augmentation

    def __init__(
        self,
        *,
        rng: Rng,
        network: Network,
        association: Association,
        memory: RecollectionMemory,
        answering: Answering,
        augmentation: Augmentation,
        learning_rate: float,
        recall: Recall,
        steps: int,
        ema_decay: float,
        distillation: float,
        teacher_targets: bool,
        sleep: Sleep,
    ) -> None:
        super().__init__()
        self.rng = rng
        self.hippocampus = AveragedNetwork(network, own_batch_statistics=distillation > 0 or teacher_targets)
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        self.association, self.memory = association, memory
        self.answering = answering
        self.share_budget()
        self.seen_classes = SeenClasses()
        self.augmentation = augmentation
        self.mirrors = Mirrors() if augmentation.flip and augmentation.flip_is_open else None
        self.learning_rate = learning_rate
        self.recall = recall
        self.steps = steps
        self.ema_decay = ema_decay
        self.distillation = distillation
        self.teacher_targets = teacher_targets
        self.sleep = sleep

    @classmethod
    def build(cls, settings: RecollectionReplaySection, components: Components) -> Self:
        rng = components.make_rng()
        association = components.make_association(rng)
        components.network.standardise_images()
        return cls(
            rng=rng,
            network=components.network,
            association=association,
            memory=components.make_memory(association),
            answering=Answering(
                budget_bits=components.budget_bits,
                input_shape=components.input_shape,
                seed=components.seed,
                wanted=settings.statistics,
                ordered=components.ordered,
            ),
            augmentation=components.augmentation,
            learning_rate=components.network.learning_rate,
            recall=Recall(
                recollections=components.recollections_per_step,
                views=settings.views_per_step,
                candidates=settings.candidates,
            ),
            steps=components.steps,
            ema_decay=settings.ema_decay,
            distillation=settings.distillation,
            teacher_targets=settings.targets == "teacher",
            sleep=components.sleep,
        )

    def observe(self, experience: Experience) -> Observation:
        if self.seen_classes.register(experience.labels, experience.tasks):
            self._grow()
        new = self._as_learned(experience.inputs)
        self.hippocampus.network.update_input_statistics(new)
        numbers = self.answering.meet(experience.inputs)
        answers = self.answers_before(new, numbers, experience.tasks, thinned=experience.thinned)
        symbols = self.association.encode(new)
        taught, (shown, codes) = experience.taught, experience.of_taught(new, symbols)
        if experience.changing:
            self.hippocampus.hasten()
        first = step = self._learn(shown, codes, taught)
        for _ in range(self.steps + experience.changing - 1):
            step = self._learn(self._augmented(shown), codes, taught)
        measured = self.hippocampus.steps % DISTORTION_EVERY_STEPS == 0
        distortion = float((self.association.decode(symbols) - new).abs().mean()) if measured else None
        self._remember(new, symbols, experience, step.recollected)
        if LIVE not in answers and not experience.thinned and self.answering.needs_live(answers):
            live = self.seen_classes.restricted(first.logits, experience.tasks).log_softmax(1)
            answers[LIVE] = self.answering.with_young(live, answers.get(STATISTICS))
        predicted = {name: scores.argmax(1) for name, scores in answers.items()}
        answered = predicted[self.answering.who]
        changed = self.learn_answering(experience, numbers, predicted)
        return Observation(answered, loss=step.loss, distortion_l1=distortion, changed=changed)

    def _grow(self) -> None:
        for network in self._networks:
            network.head.grow(self.classes)
        self.answering.grow(self.classes)
        self.share_budget()

    def _learn(self, new: Tensor, symbols: Tensor, experience: Experience) -> Step:
        """One optimiser step on new inputs and recollections together."""
        n, network = len(new), self.hippocampus.network
        old = self.recall(
            experience,
            symbols,
            memory=self.memory,
            association=self.association,
            student=network,
            seen_classes=self.seen_classes,
        )
        inputs = torch.cat([new, self._augmented(old.inputs)])
        of_new_and_old = partial(
            asymmetric_cross_entropy_by_hand, experience=experience, old=old, seen_classes=self.seen_classes
        )
        logits, loss = descend(
            network,
            inputs,
            classes=self.classes,
            loss=lambda logits: self._loss(logits, inputs, experience, old),
            by_hand=None if self.hippocampus.own_batch_statistics else of_new_and_old,
            learning_rate=self.learning_rate,
        )
        self.hippocampus.update_average(decay=self.ema_decay, growth=experience.growth)
        return Step(logits[:n], loss, old.inputs)

    def _loss(self, logits: Tensor, inputs: Tensor, experience: Experience, old: Recalled) -> Tensor:
        """Asymmetric cross-entropy, plus `distillation` times the mean squared difference between the logits
        for recollections and those of the averaged weights."""
        n, targets, teacher = len(experience.labels), None, None
        if self.hippocampus.own_batch_statistics:
            teacher = self.hippocampus.teacher_logits(inputs)[n:, : self.classes]
        if teacher is not None and self.teacher_targets:
            targets = self.seen_classes.restricted(teacher, old.tasks).softmax(1)
            targets[old.remembered :] = F.one_hot(old.labels[old.remembered :], self.classes).to(targets)
        loss = asymmetric_cross_entropy(
            logits, experience, old, seen_classes=self.seen_classes, targets=targets
        )
        if teacher is None or not self.distillation or not len(teacher):
            return loss
        return loss + self.distillation * F.mse_loss(logits[n:], teacher)

    def _augmented(self, inputs: Tensor) -> Tensor:
        return self.augmentation(inputs, generator=self.rng.generator)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        candidate.neocortex.load_state_dict(candidate.hippocampus.average.state_dict())
        student = candidate.neocortex.requires_grad_(True).train()
        steps = self.sleep.steps_of(candidate)
        for step in range(steps):
            replayed = candidate.memory.sample_balanced(self.sleep.batch_size)
            inputs = candidate._augmented(candidate.association.decode(replayed.symbols))

            def loss(logits: Tensor, inputs: Tensor = inputs, replayed: Recollections = replayed) -> Tensor:
                competing = candidate.seen_classes.restricted(logits, replayed.tasks)
                wrong, drift = F.cross_entropy(competing, replayed.labels), candidate.hippocampus.drift
                return wrong + self.distillation * drift(logits, inputs) if self.distillation else wrong

            rate = (self.sleep.learning_rate or self.learning_rate) * (1 - step / steps)
            descend(student, inputs, classes=candidate.classes, loss=loss, learning_rate=rate)
            yield
        student.requires_grad_(False)

    @torch.no_grad()
    def adopt(self, candidate: Self) -> None:
        """The averaged weights add what sleep changed, and so keep what was learned awake meanwhile; the
        learning network starts again from them."""
        before, after = candidate.hippocampus.average, candidate.neocortex
        for network in (before, after):
            network.head.grow(self.hippocampus.average.head.rows)
        self.hippocampus.take_over(before, after)
        self.neocortex.load_state_dict(after.state_dict())

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        for network in self._networks:
            network.load_state_dict(neocortex)
            network.head.grow(self.classes)
        self.answering.rely_on_network()

    def switch(self, network: nn.Module) -> None:
        assert isinstance(network, Network)
        learner = copy.deepcopy(network).requires_grad_(True).train()
        self.hippocampus = AveragedNetwork(
            learner, steps=self.hippocampus.steps, own_batch_statistics=self.hippocampus.own_batch_statistics
        )
        self.neocortex = copy.deepcopy(network).requires_grad_(False)
        for one in self._networks:
            one.head.grow(self.classes)
        self.answering.rely_on_network()
        self.learning_rate = network.learning_rate
