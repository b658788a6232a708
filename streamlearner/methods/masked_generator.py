"""Learns with a classifier; sleep teaches a generator whose units are reserved for each class it learned.

After "Learning to remember: Dynamic Generative Memory for Continual Learning" (paper 004).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.generative.mask_learning import Course, Old, learn_class
from streamlearner.generative.masked_network import MaskedNetwork
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Chance, Experience, Observation, raw, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.one_network import OneNetwork
from streamlearner.methods.recalling import Recalled, asymmetric_cross_entropy
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network, descend
from streamlearner.networks.distillation import teach
from streamlearner.registry.methods import MaskedGeneratorSection

SHOWN_SEED = 0
"""Of the latents that `recollect` shows: the same sheet each time."""


class MaskedGenerator(OneNetwork, Remembering):
    """DGM: a classifier, the hippocampus and, after sleep, the neocortex; and a generator of what was before.

    Awake, codes of classes that the generator does not know yet gather in the memory, within its budget; the
    classifier learns the new beside recollections, of each class equally many: decoded from codes, or else
    generated. Asleep, the generator learns one class after another of which `least_examples` are held, and
    the classifier what is recalled. Once the sleep is adopted, the codes of those classes are given up.
    What was reserved for a class never changes, so neither does what is generated of it.

    Differs: a task is a class. The generator and its critic are fully connected, not convolutional, for a
    processor's sake; what a unit sums up is normalised by class, and the critic is of another kind (see
    `Critic`). The classifier is a network of its own, not the critic's second answer, and goes on from what
    it was instead of starting anew. Real examples of a class are decoded codes. A class that the generator
    knows is not learned by it again, so that its growth ends with the number of classes.
    """

    augmentation: Augmentation
    waking_only = (*Remembering.waking_only, "generator")

    def __init__(
        self,
        *,
        chance: Chance,
        network: Network,
        generator: MaskedNetwork,
        association: Association,
        memory: RecollectionMemory,
        augmentation: Augmentation,
        learning_rate: float,
        course: Course,
        least_examples: int,
        recollections_per_step: int,
        sleep: Sleep,
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate)
        self.chance = chance
        self.generator = generator
        self.association = association
        self.memory = memory
        self.augmentation = augmentation
        self.course = course
        self.least_examples = least_examples
        self.recollections_per_step = recollections_per_step
        self.sleep = sleep

    @classmethod
    def build(cls, settings: MaskedGeneratorSection, components: Components) -> Self:
        chance = components.chance()
        association = components.make_association(chance)
        return cls(
            chance=chance,
            network=components.network,
            generator=MaskedNetwork(
                input_shape=components.input_shape,
                latents=settings.latents,
                units=(settings.units, 2 * settings.units),
                chance=chance.generator,
            ),
            association=association,
            memory=components.make_memory(association),
            augmentation=components.augmentation,
            learning_rate=components.network.learning_rate,
            course=Course(
                steps=settings.steps,
                batch_size=settings.batch_size,
                learning_rate=settings.generator_learning_rate,
                sharpest=settings.s_max,
                sparsity=settings.sparsity,
                gradient_penalty=settings.gradient_penalty,
                hidden=2 * settings.units,
            ),
            least_examples=settings.least_examples,
            recollections_per_step=components.recollections_per_step,
            sleep=components.sleep,
        )

    def observe(self, experience: Experience) -> Observation:
        self._meet(experience)
        new, n = unit_interval(experience.inputs), len(experience.labels)
        symbols = self.association.encode(new)
        old = self._recalled(self.recollections_per_step, None)
        logits = self.hippocampus.train()(torch.cat([new, old.inputs]))[:, : self.classes]
        loss = asymmetric_cross_entropy(logits, experience, old, curriculum=self.curriculum, targets=None)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        descend(self.hippocampus, learning_rate=self.learning_rate, loss=value)
        self._gather(new, symbols, experience, old)
        predicted = self.curriculum.restricted(logits[:n].detach(), experience.tasks).argmax(1)
        return Observation(predicted=predicted, loss=value)

    def _gather(self, new: Tensor, symbols: Tensor, experience: Experience, old: Recalled) -> None:
        """Stores the codes of what the generator does not know yet."""
        known = torch.tensor([label in self.generator.known for label in experience.labels.tolist()])
        tasks = None if experience.tasks is None else experience.tasks[~known]
        unknown = Experience(experience.inputs[~known], experience.labels[~known], tasks)
        if len(unknown.labels):
            self._remember(new[~known], symbols[~known], unknown, old.inputs[: old.remembered])

    def _recalled(self, n: int, generator: torch.Generator | None) -> Recalled:
        """`n` recollections, each of a class drawn uniformly, those decoded from codes first; none before
        there is anything to recall. `generator` gives all chance, or the method's own do."""
        chance = generator or self.chance.generator
        coded = self.memory.counts()
        told = [label for label in self.generator.known if label not in coded]
        classes = len(coded) + len(told)
        drawn = torch.randint(max(1, classes), (n if classes else 0,), generator=chance) - len(coded)
        held = self.memory.sample_balanced(int((drawn < 0).sum()), generator)
        inputs, labels = [self.association.decode(held.symbols)], [held.labels]
        for place, label in enumerate(told):
            count = int((drawn == place).sum())
            if count:
                inputs.append(self.generator.generate(label, count, chance=chance))
                labels.append(torch.full((count,), label))
        named = torch.cat(labels)
        tasks = torch.cat([held.tasks, self.curriculum.tasks_of(named[len(held) :])])
        shown = self.augmentation(torch.cat(inputs), generator=chance)
        return Recalled(shown, named, tasks, remembered=len(held))

    def consolidate(self, candidate: Self) -> Iterator[None]:
        for label, count in candidate.memory.counts().items():
            if count >= self.least_examples and label not in candidate.generator.known:
                yield from candidate._imagine(label)
        if not candidate.generator.known and not candidate.remembered:
            return
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        student = candidate.neocortex.requires_grad_(True).train()
        yield from teach(
            student,
            draw=lambda n: candidate._lesson(n, candidate.chance.generator),
            steps=self.sleep.steps,
            batch_size=self.sleep.batch_size,
            learning_rate=self.sleep.learning_rate or self.learning_rate,
        )
        student.requires_grad_(False)

    def _imagine(self, label: int) -> Iterator[None]:
        """The generator learns this class from its codes, and tells it from those that it knows."""
        network, held = self.generator, self.memory.contents()
        symbols = held.symbols[held.labels == label]
        network.measure(label, self.association.decode(symbols))
        course = learn_class(
            network,
            label,
            draw=lambda n: self._values(label, self._some(symbols, n)),
            draw_old=lambda n: self._generated(n, among=label),
            classes=self.classes,
            course=self.course,
            chance=self.chance.generator,
        )
        for _ in course:
            yield

    def _some(self, symbols: Tensor, n: int) -> Tensor:
        """`n` of these codes, drawn with replacement, as inputs."""
        return self.association.decode(
            symbols[torch.randint(len(symbols), (n,), generator=self.chance.generator)]
        )

    def _values(self, label: int, inputs: Tensor) -> Tensor:
        return self.generator.standardised(label, inputs)

    def _generated(self, n: int, *, among: int) -> Old | None:
        """`n` inputs of the classes that the generator knows, as values beside those of the class `among`."""
        known, chance = self.generator.known, self.chance.generator
        if not known:
            return None
        drawn = torch.bincount(torch.randint(len(known), (n,), generator=chance), minlength=len(known))
        counts = [(label, count) for label, count in zip(known, drawn.tolist(), strict=True) if count]
        shown = [self.generator.generate(label, count, chance=chance) for label, count in counts]
        labels = torch.tensor([label for label, count in counts for _ in range(count)])
        return Old(self._values(among, torch.cat(shown)), labels)

    def _lesson(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        recalled = self._recalled(n, generator)
        return recalled.inputs, F.one_hot(recalled.labels, self.classes).to(torch.float32)

    def adopt(self, candidate: Self) -> None:
        """Codes of classes that the generator knows now are given up. (It stays at a rollback: it is
        memory.)"""
        self.generator.load_state_dict(candidate.generator.state_dict())
        self.memory.discard(self.generator.known)
        self._move(candidate)

    def recollect(self, per_class: int) -> list[tuple[int, Tensor]]:
        """Decoded codes of classes that are held as codes; of others what is generated."""
        chance = torch.Generator().manual_seed(SHOWN_SEED)
        sheets = dict(super().recollect(per_class))
        for label in self.generator.known:
            if label not in sheets:
                sheets[label] = raw(self.generator.generate(label, per_class, chance=chance))
        return sorted(sheets.items())

    def units(self) -> dict[str, int]:
        network, growth = self.generator, self.generator.growth()
        reused = growth[-1].reused if growth else 0
        return {"reserved": network.blocked, "free": network.units - network.blocked, "reused": reused}
