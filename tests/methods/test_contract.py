"""What every method promises (`methods.base.DualMemory`), whatever it is called."""

from __future__ import annotations

import pickle
import random

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from streamlearner.methods import METHODS
from streamlearner.methods.base import DualMemory, Experience
from tests.methods.arms import ARMS, BUDGET_BITS, KINDS, TINY, differing, exactly, make, observe, sleep, state

pytestmark = [pytest.mark.parametrize("arm", ARMS)]
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

STEPS = {"tiny images": (50, 10), "grey images": (80, 10), "colour images": (60, 6), "features": (40, 10)}
"""How many steps of how many examples suffice: convolutions take longer to begin."""

QUESTIONS = TINY.inputs([0, 1, 2, 3] * 3, seed=5)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def accuracy(method: DualMemory, kind: str, classes: int) -> float:
    labels = list(range(classes)) * 20
    answers = method.predict_proba(KINDS[kind].inputs(labels, seed=77), None).argmax(1)
    return float((answers == torch.tensor(labels)).float().mean())


def heard(method: DualMemory) -> Tensor:
    """What it answers to the same questions, always."""
    return method.predict_proba(QUESTIONS, None)


def assert_distributions(proba: Tensor, rows: int, classes: int) -> None:
    assert proba.shape == (rows, classes)
    assert proba.dtype == torch.float32
    assert not proba.requires_grad
    assert (proba >= 0).all()
    assert torch.allclose(proba.sum(1), torch.ones(rows), atol=1e-5)


# learning


@pytest.mark.parametrize("kind", KINDS)
def test_learns_a_stable_stream_far_above_chance(arm: str, kind: str) -> None:
    if kind == "colour images" and arm not in METHODS:
        pytest.skip("its parts were tried on other inputs; this network is slow")
    method = make(arm, KINDS[kind])
    steps, size = STEPS[kind]
    observe(method, steps, kind=KINDS[kind], size=size)
    assert accuracy(method, kind, 4) > 0.6


def test_answers_before_it_learns(arm: str) -> None:
    method = make(arm)
    observe(method, 30)
    inputs, labels, twin = TINY.inputs([0, 1, 2, 3], seed=4), torch.tensor([0, 1, 2, 3]), method.clone()
    told = method.observe(Experience(inputs=inputs, labels=labels)).predicted
    told_otherwise = twin.observe(Experience(inputs=inputs, labels=labels.flip(0))).predicted
    assert torch.equal(told, told_otherwise)
    assert differing(method, twin) != []


@every_kind
def test_new_classes_may_appear_at_any_time_and_alone_in_a_batch_of_one(arm: str, kind: object) -> None:
    method = make(arm, kind)
    for step, label in enumerate([0, 1, 1, 2, 16, 17, 40]):
        observation = method.observe(kind.experience([label], seed=step))
        assert observation.predicted.shape == (1,)
        assert 0 <= int(observation.predicted) < method.classes
        assert np.isfinite(observation.loss)
        assert_distributions(method.predict_proba(kind.inputs([0, label], seed=99), None), 2, method.classes)
    assert method.classes == 41


def test_a_class_alone_in_its_batches_is_learned_and_answers(arm: str) -> None:
    method = make(arm)
    for step in range(120):
        method.observe(TINY.experience([step // 60] * 5, seed=step))
    answers = method.predict_proba(TINY.inputs([1] * 20, seed=7), None).argmax(1)
    assert (answers == 1).float().mean() > 0.5


def test_the_inputs_given_are_left_as_they_were(arm: str) -> None:
    for kind in (TINY, KINDS["features"]):
        method = make(arm, kind)
        for step in range(6):
            experience = kind.experience([0, 1, 2, 3] * 2, seed=step)
            before = experience.inputs.clone(), experience.labels.clone()
            method.observe(experience)
            method.predict_proba(experience.inputs, None)
            assert torch.equal(experience.inputs, before[0])
            assert torch.equal(experience.labels, before[1])


def test_one_absurd_example_does_not_end_what_was_learned(arm: str) -> None:
    kind = KINDS["features"]
    method = make(arm, kind)
    observe(method, 40, kind=kind)
    absurd = Experience(inputs=torch.full((1, *kind.shape), 1e15), labels=torch.tensor([0]))
    for _ in range(3):
        method.observe(absurd)
    observe(method, 40, kind=kind, seed=1)
    assert accuracy(method, "features", 4) > 0.6


def test_features_of_any_scale_are_learned(arm: str) -> None:
    if arm not in METHODS:
        pytest.skip("a promise of methods as they come")
    kind = KINDS["features"]
    method = make(arm, kind)
    for step in range(60):
        shown = kind.experience([0, 1, 2, 3] * 2, seed=step)
        method.observe(Experience(inputs=shown.inputs * 100, labels=shown.labels))
    answers = method.predict_proba(kind.inputs([0, 1, 2, 3] * 5, seed=77) * 100, None).argmax(1)
    assert (answers == torch.tensor([0, 1, 2, 3] * 5)).float().mean() > 0.6


# answering


@every_kind
def test_answers_are_distributions_over_the_classes_seen_and_change_nothing(arm: str, kind: object) -> None:
    method = make(arm, kind)
    observe(method, 3, kind=kind, size=4, classes=3)
    before = state(method)
    asked = kind.inputs([0, 1, 2, 0, 1], seed=50)
    assert_distributions(method.predict_proba(asked, None), 5, 3)
    features = method.features(asked)
    assert features.dtype == torch.float32
    assert features.shape[0] == 5
    assert features.isfinite().all()
    assert not features.requires_grad
    assert state(method) == before


def test_a_task_restricts_the_answer_to_the_classes_seen_with_it(arm: str) -> None:
    method = make(arm)
    observe(method, 10, tasks=2)
    proba = method.predict_proba(QUESTIONS[:3], torch.tensor([0, 1, -1]))
    assert_distributions(proba, 3, 4)
    assert (proba[0, [1, 3]] == 0).all()
    assert (proba[1, [0, 2]] == 0).all()
    assert (proba[2] > 0).all()


def test_a_task_of_which_nothing_was_learned_yet_restricts_nothing(arm: str) -> None:
    method = make(arm)
    method.observe(TINY.experience([0, 1, 2], seed=1, tasks=[2, 2, 0]))  # task 1: all in the exam so far
    proba = method.predict_proba(QUESTIONS[:3], torch.tensor([1, 3, 9]))
    assert_distributions(proba, 3, 3)
    assert (proba > 0).all()


def test_tasks_may_begin_and_pause_in_mid_stream(arm: str) -> None:
    method = make(arm)
    observe(method, 3, classes=2)
    method.observe(TINY.experience([2, 0], seed=60, tasks=[0, -1]))
    observe(method, 3, classes=4, tasks=2)
    method.observe(TINY.experience([1], seed=61, tasks=[-1]))
    assert_distributions(method.predict_proba(QUESTIONS, torch.tensor([-1, 0, 1] * 4)), 12, 4)


# state


@every_kind
def test_equal_states_observe_equally_bit_for_bit(arm: str, kind: object) -> None:
    one, other = make(arm, kind), make(arm, kind)
    for method in (one, other):
        observe(method, 6, kind=kind, size=5)
    assert differing(one, other) == []


def test_state_goes_through_safetensors_into_a_fresh_method_that_continues_bit_for_bit(arm: str) -> None:
    method = make(arm)
    observe(method, 8, classes=21, tasks=3)  # more than one block of the head, renewed codes, tasks
    saved = safetensors.torch.save({name: tensor.contiguous() for name, tensor in method.state_dict().items()})
    restored = make(arm)
    restored.load_state_dict(safetensors.torch.load(saved))
    assert differing(method, restored) == []
    for one in (method, restored):
        observe(one, 4, classes=36, tasks=4, seed=1)
        one.adopt(sleep(one))
        observe(one, 4, classes=36, tasks=4, seed=2)
    assert differing(method, restored) == []
    assert exactly(heard(method)) == exactly(heard(restored))


@pytest.mark.parametrize("kind", ["grey images", "colour images", "features"])
def test_a_restored_method_continues_bit_for_bit_for_other_inputs_too(arm: str, kind: str) -> None:
    method, restored = make(arm, KINDS[kind]), make(arm, KINDS[kind])
    observe(method, 3, kind=KINDS[kind], size=8)
    restored.load_state_dict({name: tensor.clone() for name, tensor in method.state_dict().items()})
    for one in (method, restored):
        observe(one, 2, kind=KINDS[kind], size=5, seed=1)
        one.adopt(sleep(one))
        observe(one, 1, kind=KINDS[kind], size=5, seed=2)
    assert differing(method, restored) == []


def test_a_clone_shares_nothing_and_goes_the_same_way(arm: str) -> None:
    method = make(arm)
    observe(method, 5)
    clone, before = method.clone(), state(method)
    observe(clone, 5, seed=1, classes=20)
    clone.adopt(sleep(clone))
    assert state(method) == before
    after = state(clone)
    observe(method, 5, seed=1, classes=20)
    method.adopt(sleep(method))
    assert state(clone) == after
    assert differing(method, clone) == []


def test_a_frozen_copy_answers_the_same_for_ever_and_remembers_nothing(arm: str) -> None:
    method = make(arm)
    observe(method, 10)
    frozen, answers = method.frozen(), heard(method)
    assert torch.equal(heard(frozen), answers)
    assert not any(name.startswith("memory") for name in frozen.state_dict())
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    observe(method, 10, seed=1, classes=20)
    assert torch.equal(heard(frozen), answers)
    assert not torch.equal(heard(method)[:, :4], answers)


def test_no_gradient_outlives_a_step(arm: str) -> None:
    method = make(arm)
    observe(method, 3)
    candidate = sleep(method)
    assert [name for name, p in method.named_parameters() if p.grad is not None] == []
    assert [name for name, p in candidate.named_parameters() if p.grad is not None] == []


# sleep


def test_sleep_changes_nothing_until_it_is_adopted(arm: str) -> None:
    method = make(arm)
    observe(method, 6)
    before = state(method)
    sleep(method)
    assert state(method) == before


def test_what_happens_awake_does_not_reach_a_dream(arm: str) -> None:
    quiet, busy = make(arm), make(arm)
    for method in (quiet, busy):
        observe(method, 6)
    undisturbed, candidate = sleep(quiet), busy.clone()
    for step, _ in enumerate(busy.consolidate(candidate)):
        observe(busy, 4, classes=20, seed=step + 1)
    assert differing(candidate, undisturbed) == []


def test_an_adopted_neocortex_is_the_candidates_and_classes_met_meanwhile_remain(arm: str) -> None:
    method = make(arm)
    observe(method, 10)
    candidate = sleep(method)
    method.observe(TINY.experience([17, 1, 17], seed=1))
    method.adopt(candidate)
    for name, tensor in candidate.neocortex.state_dict().items():
        held = method.neocortex.state_dict()[name]
        assert torch.equal(held[: len(tensor)] if tensor.ndim else held, tensor), name
    assert_distributions(heard(method), len(QUESTIONS), 18)
    method.observe(TINY.experience([39], seed=2))
    assert_distributions(heard(method), len(QUESTIONS), 40)


def test_a_revert_forgets_what_was_learned_since(arm: str) -> None:
    method = make(arm)
    observe(method, 10)
    method.adopt(sleep(method))
    version = {name: tensor.clone() for name, tensor in method.neocortex.state_dict().items()}
    later = method.clone()
    observe(method, 5, seed=1)
    observe(later, 15, seed=2)
    for one in (method, later):
        one.observe(TINY.experience([19], seed=3))
        one.revert(version)
    assert_distributions(heard(method), len(QUESTIONS), 20)
    assert torch.equal(heard(method), heard(later))
    assert differing(method.neocortex, later.neocortex) == []
    assert differing(method.hippocampus, later.hippocampus) in ([], ["_extra_state"])  # the averaging's age
    method.observe(TINY.experience([35], seed=3))
    assert_distributions(heard(method), len(QUESTIONS), 36)


# bits


def test_stored_bits_are_the_bytes_held_and_never_above_the_budget(arm: str) -> None:
    budget_bits = 6_000
    method = make(arm, memory__budget_bits=budget_bits)
    for step in range(25):
        observe(method, 1, classes=3 + step, seed=step, tasks=0 if step < 12 else 3)
        stored = sum(method.stored_bits().values())
        held = sum(t.nbytes * 8 for name, t in method.state_dict().items() if name == "memory.records")
        assert stored <= budget_bits
        assert held <= stored <= held * 1.01 + 8
    assert method.remembered == sum(method.remembered_by_class().values())
    assert method.full == bool(method.stored_bits())


def test_parameter_bits_are_the_bytes_of_everything_else(arm: str) -> None:
    method = make(arm)
    observe(method, 4, classes=20)
    held = sum(t.nbytes * 8 for name, t in method.state_dict().items() if not name.startswith(("memory.", "chance.")))
    assert sum(method.parameter_bits().values()) == held


def test_recollections_look_like_inputs_and_showing_them_changes_nothing(arm: str) -> None:
    method = make(arm)
    observe(method, 6)
    before = state(method)
    shown = method.recollect(2)
    assert bool(shown) == bool(method.remembered)
    for label, inputs in shown:
        assert 0 <= label < 4
        assert 1 <= len(inputs) <= 2
        assert inputs.shape[1:] == TINY.shape
        assert 0 <= inputs.min()
        assert inputs.max() <= (255 if inputs.dtype == torch.uint8 else 1)
    assert state(method) == before


@pytest.mark.parametrize("kind", ["tiny images", "features"])
def test_no_raw_input_is_kept_but_by_the_yardstick_that_is_made_of_them(arm: str, kind: str) -> None:
    method = make(arm, KINDS[kind], memory__budget_bits=BUDGET_BITS)
    method.observe(KINDS[kind].experience([0, 1, 2], seed=8))
    first = KINDS[kind].inputs([0, 1, 2], seed=8)[0]
    everything = pickle.dumps(method)
    seen = [first.numpy().tobytes(), first.to(torch.float32).numpy().tobytes(), (first / 255.0).numpy().tobytes()]
    assert any(trace in everything for trace in seen) == (arm == "rehearsal")


# chance


def test_nothing_is_drawn_from_a_global_generator(arm: str) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    method = make(arm)
    observe(method, 4)
    method.adopt(sleep(method))
    heard(method)
    method.recollect(2)
    make(arm, KINDS["colour images"])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]
