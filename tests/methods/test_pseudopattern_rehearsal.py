"""Noise is answered as before a sleep, and so holds a little of what was."""

from __future__ import annotations

import torch

from streamlearner.methods.pseudopattern_rehearsal import PseudopatternRehearsal
from tests.support.arms import KINDS, TINY, make, observe, sleep


def rehearsing(count: int) -> PseudopatternRehearsal:
    method = make("pseudopattern_rehearsal", method__recollections_per_step=count)
    assert isinstance(method, PseudopatternRehearsal)
    return method


def strayed(count: int) -> float:
    """How far answers to noise move while other classes come."""
    method = rehearsing(count)
    observe(method, 30, classes=2)
    method.adopt(sleep(method))
    noise = torch.rand(200, *TINY.shape, generator=torch.Generator().manual_seed(1))
    before = method.hippocampus.eval()(noise)[:, :2].detach()
    for step in range(20):
        method.observe(TINY.experience([2, 3] * 5, seed=step))
    return float((method.hippocampus.eval()(noise)[:, :2].detach() - before).abs().mean())


def test_answers_to_noise_stray_less_when_it_is_rehearsed() -> None:
    assert strayed(30) < 0.8 * strayed(0)


def test_before_the_first_sleep_there_is_nothing_to_rehearse() -> None:
    method, plain = rehearsing(10), make("finetune")
    for one in (method, plain):
        observe(one, 5)
    for a, b in zip(method.hippocampus.weights, plain.hippocampus.weights, strict=True):
        assert torch.equal(a, b)


def test_noise_for_features_is_on_their_scale() -> None:
    features = KINDS["features"]
    method = make("pseudopattern_rehearsal", features)
    assert isinstance(method, PseudopatternRehearsal)
    inputs = 1000.0 + 50.0 * features.inputs([0, 1] * 100, seed=3)
    method.hippocampus.update_input_statistics(inputs)
    method.slept += 1
    method.recollections_per_step = 400
    noise = method._pseudopatterns(inputs)
    assert torch.allclose(noise.mean(0), inputs.mean(0), atol=20.0)
    assert torch.allclose(noise.std(0), inputs.std(0), rtol=0.3)
