"""What every method promises (`methods.base.DualMemory`), whatever it is called: learning and answering."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
import torch

from streamlearner.methods.base import Experience
from streamlearner.testing.states import differing, state
from streamlearner.testing.streams import (
    KINDS,
    QUESTIONS,
    TINY,
    Kind,
    Subject,
    accuracy,
    assert_distributions,
    observe,
)

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

STABLE = KINDS | {
    "grey images": Kind((1, 28, 28), torch.uint8, contrast=1.0),
    "colour images": Kind((3, 16, 16), torch.uint8, contrast=1.0),
}
"""For convolutions black and white, as they begin sooner then; colour of fewer pixels, for more steps in the
same time."""
STEPS = {"tiny images": (100, 10), "grey images": (110, 10), "colour images": (80, 8), "features": (60, 10)}
"""How many steps of how many examples suffice: convolutions take longer to begin."""
LOOKS, APART = 5, 10


def looks(subject: Subject, kind: str, *, seed: int = 0) -> list[float]:
    """Accuracies on the way through the end of a stable stream, `APART` steps apart.

    Several, as a network with batch normalisation answers by chance for a few steps now and then: its weights
    move at once, its statistics follow. The step size is the network's own: at twice that some seeds learned
    late, and which ones was decided by how a processor rounds.
    """
    method = subject.make(STABLE[kind], method__learning_rate=None)
    steps, size = STEPS[kind]
    observe(method, steps - LOOKS * APART, kind=STABLE[kind], size=size, seed=seed)
    found = []
    for first in range(steps - LOOKS * APART, steps, APART):
        observe(method, APART, kind=STABLE[kind], size=size, seed=seed, first=first)
        found.append(accuracy(method, STABLE[kind], 4))
    return found


class LearningPromises:
    """The promises of a method about how it learns and answers."""

    # learning

    @pytest.mark.parametrize("kind", KINDS)
    def test_learns_a_stable_stream_far_above_chance(self, subject: Subject, kind: str) -> None:
        if kind in ("grey images", "colour images") and subject.varies:
            pytest.skip("its components were tried on other inputs; these networks are slow")
        assert statistics.median(looks(subject, kind)) > 0.6

    def test_answers_before_it_learns(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 30)
        inputs, labels, twin = TINY.inputs([0, 1, 2, 3], seed=4), torch.tensor([0, 1, 2, 3]), method.clone()
        predicted = method.observe(Experience(inputs=inputs, labels=labels)).predicted
        with_other_labels = twin.observe(Experience(inputs=inputs, labels=labels.flip(0))).predicted
        assert torch.equal(predicted, with_other_labels)
        assert differing(method, twin) != []

    @every_kind
    def test_what_it_predicts_is_what_would_have_been_answered(self, subject: Subject, kind: Kind) -> None:
        """Also by a network that computes otherwise in training: colour images are normalised by batch."""
        method = subject.make(kind)
        observe(method, 6, kind=kind)
        learned = kind.experience([0, 0, 0, 0, 0, 0, 1, 2, 3, 3] * 4, seed=4)
        served = method.clone().predict_proba(learned.inputs, None).argmax(1)
        predicted = method.observe(learned).predicted
        assert int((predicted == served).sum()) >= 36, "some are near a border that the new inputs move"

    @every_kind
    def test_new_classes_may_appear_at_any_time_and_alone_in_a_batch_of_one(
        self, subject: Subject, kind: Kind
    ) -> None:
        method = subject.make(kind)
        for step, label in enumerate([0, 1, 1, 2, 16, 17, 40]):
            observation = method.observe(kind.experience([label], seed=step))
            assert observation.predicted.shape == (1,)
            assert 0 <= int(observation.predicted) < method.classes
            assert np.isfinite(observation.loss)
            assert_distributions(
                method.predict_proba(kind.inputs([0, label], seed=99), None), 2, method.classes
            )
        assert method.classes == 41

    def test_a_class_alone_in_its_batches_is_learned_and_answers(self, subject: Subject) -> None:
        method = subject.make()
        for step in range(120):
            method.observe(TINY.experience([step // 60] * 5, seed=step))
        answers = method.predict_proba(TINY.inputs([1] * 20, seed=7), None).argmax(1)
        assert (answers == 1).float().mean() > 0.5

    def test_the_inputs_given_are_left_as_they_were(self, subject: Subject) -> None:
        for kind in (TINY, KINDS["features"]):
            method = subject.make(kind)
            for step in range(6):
                experience = kind.experience([0, 1, 2, 3] * 2, seed=step)
                before = experience.inputs.clone(), experience.labels.clone()
                method.observe(experience)
                method.predict_proba(experience.inputs, None)
                assert torch.equal(experience.inputs, before[0])
                assert torch.equal(experience.labels, before[1])

    def test_one_absurd_example_does_not_end_what_was_learned(self, subject: Subject) -> None:
        kind = KINDS["features"]
        method = subject.make(kind)
        observe(method, 40, kind=kind)
        absurd = Experience(inputs=torch.full((1, *kind.shape), 1e15), labels=torch.tensor([0]))
        for _ in range(3):
            method.observe(absurd)
        observe(method, 40, kind=kind, seed=1)
        assert accuracy(method, kind, 4) > 0.6

    def test_features_of_any_scale_are_learned(self, subject: Subject) -> None:
        if subject.varies:
            pytest.skip("a promise of methods with default settings")
        kind = KINDS["features"]
        method = subject.make(kind)
        for step in range(60):
            shown = kind.experience([0, 1, 2, 3] * 2, seed=step)
            method.observe(Experience(inputs=shown.inputs * 100, labels=shown.labels))
        answers = method.predict_proba(kind.inputs([0, 1, 2, 3] * 5, seed=77) * 100, None).argmax(1)
        assert (answers == torch.tensor([0, 1, 2, 3] * 5)).float().mean() > 0.6

    # answering

    @every_kind
    def test_answers_are_distributions_over_the_classes_seen_and_change_nothing(
        self, subject: Subject, kind: Kind
    ) -> None:
        method = subject.make(kind)
        observe(method, 3, kind=kind, size=4, classes=3)
        before = state(method)
        asked = kind.inputs([0, 1, 2, 0, 1], seed=50)
        assert_distributions(method.predict_proba(asked, None), 5, 3)
        features = method.features(asked)
        assert features.dtype == torch.float32
        assert features.shape[0] == 5
        assert features.isfinite().all()
        assert method.frozen().features(asked).equal(features)
        assert not features.requires_grad
        assert state(method) == before

    def test_a_task_restricts_the_answer_to_the_classes_seen_with_it(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 10, tasks=2)
        proba = method.predict_proba(QUESTIONS[:3], torch.tensor([0, 1, -1]))
        assert_distributions(proba, 3, 4)
        assert (proba[0, [1, 3]] == 0).all()
        assert (proba[1, [0, 2]] == 0).all()
        assert (proba[2] > 0).all()

    def test_a_task_of_which_nothing_was_learned_yet_restricts_nothing(self, subject: Subject) -> None:
        method = subject.make()
        method.observe(TINY.experience([0, 1, 2], seed=1, tasks=[2, 2, 0]))  # task 1: all in the exam so far
        proba = method.predict_proba(QUESTIONS[:3], torch.tensor([1, 3, 9]))
        assert_distributions(proba, 3, 3)
        assert (proba > 0).all()

    def test_tasks_may_begin_and_pause_in_mid_stream(self, subject: Subject) -> None:
        method = subject.make()
        observe(method, 3, classes=2)
        method.observe(TINY.experience([2, 0], seed=60, tasks=[0, -1]))
        observe(method, 3, classes=4, tasks=2)
        method.observe(TINY.experience([1], seed=61, tasks=[-1]))
        assert_distributions(method.predict_proba(QUESTIONS, torch.tensor([-1, 0, 1] * 4)), 12, 4)
