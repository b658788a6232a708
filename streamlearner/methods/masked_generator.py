"""Learns with a classifier; sleep trains a generator whose units are reserved class by class.

After "Learning to remember: Dynamic Generative Memory for Continual Learning" (paper 004).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from streamlearner.associations.contract import Association
from streamlearner.generative.mask_learning import ClassTraining, OldExamples, learn_class
from streamlearner.generative.masked_network import MaskedNetwork
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Experience, Observation, Rng, raw, unit_interval
from streamlearner.methods.components import Components, Sleep
from streamlearner.methods.one_network import OneNetwork
from streamlearner.methods.recalling import Recalled, asymmetric_cross_entropy
from streamlearner.methods.remembering import Remembering
from streamlearner.networks.augmentation import Augmentation
from streamlearner.networks.base import Network, sgd_step
from streamlearner.networks.distillation import distill
from streamlearner.registry.methods import MaskedGeneratorSection

SHOWN_SEED = 0
"""Seed of what `recollect` generates: the same each time."""


class MaskedGenerator(OneNetwork, Remembering):
    """DGM: a classifier (hippocampus, and as it was after sleep, neocortex) and a generator of earlier
    classes.

    Awake, codes of classes that the generator does not know yet are stored in the memory, within its budget;
    the classifier learns the new examples together with recollections, equally many of each class, decoded
    from codes or else generated. Asleep, the generator learns one by one the classes of which
    `least_examples` codes are held, and the classifier learns recollections. When the sleep is adopted, the
    codes of those classes are discarded. Units reserved for a class never change, nor does what is generated
    of it.

    Differs: a task is a class. Generator and critic are fully connected, not convolutional, to be fast on a
    CPU; units are normalised by class, and the critic is of another kind (see `Critic`). The classifier is a
    network of its own, not the critic's second output, and is trained further instead of anew. Real examples
    of a class are decoded codes. A class that the generator knows is not learned again, so its growth ends
    with the number of classes.
    """

    augmentation: Augmentation
    training_only = (*Remembering.training_only, "generator")

    def __init__(
        self,
        *,
        rng: Rng,
        network: Network,
        generator: MaskedNetwork,
        association: Association,
        memory: RecollectionMemory,
        augmentation: Augmentation,
        learning_rate: float,
        class_training: ClassTraining,
        least_examples: int,
        recollections_per_step: int,
        sleep: Sleep,
    ) -> None:
        super().__init__(network=network, learning_rate=learning_rate)
        self.rng = rng
        self.generator = generator
        self.association = association
        self.memory = memory
        self.augmentation = augmentation
        self.class_training = class_training
        self.least_examples = least_examples
        self.recollections_per_step = recollections_per_step
        self.sleep = sleep

    @classmethod
    def build(cls, settings: MaskedGeneratorSection, components: Components) -> Self:
        rng = components.make_rng()
        association = components.make_association(rng)
        return cls(
            rng=rng,
            network=components.network,
            generator=MaskedNetwork(
                input_shape=components.input_shape,
                latents=settings.latents,
                units=(settings.units, 2 * settings.units),
                rng=rng.generator,
            ),
            association=association,
            memory=components.make_memory(association),
            augmentation=components.augmentation,
            learning_rate=components.network.learning_rate,
            class_training=ClassTraining(
                steps=settings.steps,
                batch_size=settings.batch_size,
                learning_rate=settings.generator_learning_rate,
                s_max=settings.s_max,
                sparsity=settings.sparsity,
                gradient_penalty=settings.gradient_penalty,
                hidden=2 * settings.units,
            ),
            least_examples=settings.least_examples,
            recollections_per_step=components.recollections_per_step,
            sleep=components.sleep,
        )

    def observe(self, experience: Experience) -> Observation:
        self._register(experience)
        before = self._answers_before(experience)
        new, n = unit_interval(experience.inputs), len(experience.labels)
        symbols = self.association.encode(new)
        old = self._recalled(self.recollections_per_step, None)
        logits = self.hippocampus.train()(torch.cat([new, old.inputs]))[:, : self.classes]
        loss = asymmetric_cross_entropy(logits, experience, old, seen_classes=self.seen_classes, targets=None)
        loss.backward()  # type: ignore[no-untyped-call]
        value = float(loss.detach())
        rate = self.learning_rate
        sgd_step(self.hippocampus, learning_rate=rate, loss=value)
        self._store_unknown(new, symbols, experience, old)
        answers = self.seen_classes.restricted(logits[:n].detach(), experience.tasks)
        predicted = answers.argmax(1) if before is None else before
        return Observation(predicted=predicted, loss=value)

    def _store_unknown(self, new: Tensor, symbols: Tensor, experience: Experience, old: Recalled) -> None:
        """Stores codes of examples whose class the generator does not know yet."""
        known = torch.tensor([label in self.generator.known for label in experience.labels.tolist()])
        tasks = None if experience.tasks is None else experience.tasks[~known]
        ids = None if experience.ids is None else experience.ids[~known]
        unknown = Experience(experience.inputs[~known], experience.labels[~known], tasks, ids=ids)
        if len(unknown.labels):
            self._remember(new[~known], symbols[~known], unknown, old.inputs[: old.remembered])

    def _recalled(self, n: int, generator: torch.Generator | None) -> Recalled:
        """`n` recollections, each of a class drawn uniformly, those decoded from codes first; none while
        nothing is remembered. Random draws come from `generator`, by default the method's own."""
        rng = generator or self.rng.generator
        coded = self.memory.counts()
        generated_only = [label for label in self.generator.known if label not in coded]
        classes = len(coded) + len(generated_only)
        drawn = torch.randint(max(1, classes), (n if classes else 0,), generator=rng) - len(coded)
        held = self.memory.sample_balanced(int((drawn < 0).sum()), generator)
        inputs, labels = [self.association.decode(held.symbols)], [held.labels]
        for place, label in enumerate(generated_only):
            count = int((drawn == place).sum())
            if count:
                inputs.append(self.generator.generate(label, count, rng=rng))
                labels.append(torch.full((count,), label))
        named = torch.cat(labels)
        tasks = torch.cat([held.tasks, self.seen_classes.tasks_of(named[len(held) :])])
        shown = self.augmentation(torch.cat(inputs), generator=rng)
        return Recalled(shown, named, tasks, remembered=len(held))

    def consolidate(self, candidate: Self) -> Iterator[None]:
        for label, count in candidate.memory.counts().items():
            if count >= self.least_examples and label not in candidate.generator.known:
                yield from candidate._learn_class(label)
        if not candidate.generator.known and not candidate.remembered:
            return
        candidate.neocortex.load_state_dict(candidate.hippocampus.state_dict())
        student = candidate.neocortex.requires_grad_(True).train()
        yield from distill(
            student,
            draw=lambda n: candidate._distillation_batch(n, candidate.rng.generator),
            steps=self.sleep.steps_of(candidate),
            batch_size=self.sleep.batch_size,
            learning_rate=self.sleep.learning_rate or self.learning_rate,
        )
        student.requires_grad_(False)

    def _learn_class(self, label: int) -> Iterator[None]:
        """The generator learns this class from its codes, against generated examples of the classes that it
        knows."""
        network, ((_, held),) = self.generator, self.memory.by_class(only=[label])
        network.measure(label, self.association.decode(held.symbols))
        del held  # unpacked, a code takes many times its bits: each step unpacks its own again
        training = learn_class(
            network,
            label,
            draw=lambda n: self._standardised(label, self._sampled(label, n)),
            draw_old=lambda n: self._old_examples(n, as_class=label),
            classes=self.classes,
            training=self.class_training,
            rng=self.rng.generator,
        )
        for _ in training:
            yield

    def _sampled(self, label: int, n: int) -> Tensor:
        """`n` codes of this class, drawn with replacement and decoded."""
        return self.association.decode(self.memory.sample_of(label, n, self.rng.generator).symbols)

    def _standardised(self, label: int, inputs: Tensor) -> Tensor:
        return self.generator.standardised(label, inputs)

    def _old_examples(self, n: int, *, as_class: int) -> OldExamples | None:
        """`n` generated inputs of the classes that the generator knows, standardised like those of
        `as_class`."""
        known, rng = self.generator.known, self.rng.generator
        if not known:
            return None
        drawn = torch.bincount(torch.randint(len(known), (n,), generator=rng), minlength=len(known))
        counts = [(label, count) for label, count in zip(known, drawn.tolist(), strict=True) if count]
        shown = [self.generator.generate(label, count, rng=rng) for label, count in counts]
        labels = torch.tensor([label for label, count in counts for _ in range(count)])
        return OldExamples(self._standardised(as_class, torch.cat(shown)), labels)

    def _distillation_batch(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        recalled = self._recalled(n, generator)
        return recalled.inputs, F.one_hot(recalled.labels, self.classes).to(torch.float32)

    def adopt(self, candidate: Self) -> None:
        """Discards the codes of classes that the generator now knows. (A rollback keeps the generator: it is
        memory.)"""
        self.generator.load_state_dict(candidate.generator.state_dict())
        self.memory.discard(self.generator.known)
        self._add_change_of_sleep(candidate)

    def recollecting(self, per_class: int) -> Callable[[], list[tuple[int, Tensor]]]:
        """Decoded codes of the classes that have any, generated inputs of the others that the generator
        knows."""
        rng = torch.Generator().manual_seed(SHOWN_SEED)
        decoded, held = super().recollecting(per_class), self.memory.counts()
        unheld = [label for label in self.generator.known if label not in held]
        generated = [(label, raw(self.generator.generate(label, per_class, rng=rng))) for label in unheld]
        return lambda: sorted([*decoded(), *generated], key=itemgetter(0))

    def units(self) -> dict[str, int]:
        network, growth = self.generator, self.generator.growth()
        reused = growth[-1].reused if growth else 0
        return {"reserved": network.blocked, "free": network.units - network.blocked, "reused": reused}
