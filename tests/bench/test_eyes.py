"""The experiment with a pretrained eye: features are made once, kept outside the repository, and learned."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from streamlearner.bench import runner
from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.experiments import (
    eye_small_batches,
    eye_throughput,
    eyes,
    eyes_at_224,
    eyes_elsewhere,
)
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Result, Row
from streamlearner.bench.material.seen_features import cache_folder, seen
from streamlearner.bench.peers import feature_arms, latent_replay
from streamlearner.errors import ConfigError
from tests.support.tiny_bench import dataset

SCOPE = Scope(seeds=1, budgets_bits=None, quick=True)
EYE = {"eye.name": "tests.support.eyes:tiny"}


@pytest.fixture
def fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fixture:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    eyes._halves.cache_clear()
    return dataclasses.replace(build_fixture(data=tmp_path), load_dataset=dataset)


def test_an_eye_sees_a_data_set_once(fixture: Fixture) -> None:
    looks: Counter[str] = Counter()
    eye = fixture.build_eye(EYE)

    class Counted:
        digest, half_precision = eye.digest, False

        @staticmethod
        def see(images: torch.Tensor) -> torch.Tensor:
            looks["images"] += len(images)
            seen: torch.Tensor = eye.see(images)
            return seen

    counting = dataclasses.replace(fixture, build_eye=lambda settings: Counted)
    first, again = (seen(counting, EYE, data="CIFAR100", train=True, most=None) for _ in range(2))
    assert looks["images"] == len(first.labels)
    assert np.array_equal(first.images, again.images)
    shown = torch.from_numpy(dataset("CIFAR100", True).images)[:, None]
    assert np.allclose(first.images, eye.see(shown).numpy(), atol=2e-3)
    assert list(cache_folder().rglob("*.parquet"))


def test_another_eye_has_features_of_its_own(fixture: Fixture) -> None:
    one, other = (
        seen(fixture, settings, data="CIFAR100", train=False, most=None).images
        for settings in (EYE, EYE | {"eye.input_size": 20})
    )
    assert one.shape == other.shape and not np.allclose(one, other, atol=1e-2)


def test_what_is_seen_in_half_precision_is_kept_apart(fixture: Fixture) -> None:
    for precision in ("fp32", "bf16"):
        seen(fixture, EYE | {"precision": precision}, data="CIFAR100", train=False, most=None)
    assert len({path.parent for path in cache_folder().rglob("*.parquet")}) == 2


@pytest.mark.parametrize("arm", [*eyes.OURS, *eyes.here(), *feature_arms.UNBOUNDED])
def test_every_arm_learns(arm: str, fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes, "EYE", EYE)
    monkeypatch.setattr(eyes, "MIRRORED", EYE | {"eye.mirrored": True})
    monkeypatch.setattr(eyes, "PERIOD", 5)
    monkeypatch.setattr(eyes, "PEERS_BATCH", 20)
    monkeypatch.setattr(latent_replay.Siesta, "steps", 100)
    monkeypatch.setattr(latent_replay.Remind, "new", 1)
    budget = 0 if arm in feature_arms.UNBOUNDED else 100_000
    found = list(eyes.EYES.run(Trial(arm, budget, 0), fixture=fixture, scope=SCOPE))
    rows = {row.metric: row for row in found if isinstance(row, Row)}
    held = rows["accuracy"].stored_bits or rows["accuracy"].parameter_bits
    assert rows["accuracy"].value > 0.3
    assert rows["task_incremental_accuracy"].value >= rows["accuracy"].value
    assert rows["first_task_forgotten"].value <= rows["first_task_after"].value
    assert rows["first_task_forgotten"].value <= rows["first_task_forgetting"].value <= 1
    assert rows["class_incremental_forgetting"].value >= -1 <= rows["task_incremental_forgetting"].value
    assert budget == 0 or 0 < held <= budget


def test_the_order_of_classes_is_the_seeds() -> None:
    streams = [
        eyes.in_class_order(dataset("CIFAR100", True), seed=seed, at_once=2).labels for seed in (0, 0, 1)
    ]
    assert streams[0] == streams[1] != streams[2]
    first = set(streams[0][:24])
    assert len(first) == 2 and not first & set(streams[0][24:])


@pytest.mark.parametrize("arm", ["cifar10/ours", "omniglot/slda_float32"])
def test_other_data_are_learned_alike(arm: str, fixture: Fixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eyes_elsewhere, "EYE", EYE)
    monkeypatch.setattr(eyes_elsewhere, "QUICK", 60)
    monkeypatch.setattr(eyes, "PEERS_BATCH", 20)
    eyes_elsewhere.halves.cache_clear()
    found = list(eyes_elsewhere.EYES_ELSEWHERE.run(Trial(arm, 245_760, 0), fixture=fixture, scope=SCOPE))
    rows = {row.metric: row for row in found if isinstance(row, Row)}
    assert rows["accuracy"].value > 0.3


def test_images_to_test_on_are_never_among_those_learned(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eyes_elsewhere, "EYE", EYE)
    monkeypatch.setattr(eyes_elsewhere, "QUICK", 60)
    for chosen in eyes_elsewhere.SLICES.values():
        eyes_elsewhere.halves.cache_clear()
        training, test = eyes_elsewhere.halves(fixture, chosen, quick=True, device="cpu")
        assert len(training.labels) > 0 and len(test.labels) > 0
        learned = {each.tobytes() for each in training.images}
        assert not any(each.tobytes() in learned for each in test.images)


@pytest.mark.parametrize("arm", ["eye_fp32", "eye_bf16", "ours", "streaming_lda"])
def test_what_is_for_an_accelerator_runs_on_a_processor_too(
    arm: str, fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eyes_at_224, "EYE", EYE | {"eye.mirrored": True})
    monkeypatch.setattr(eyes_at_224, "PERIOD", 5)
    budget = 100_000 if arm == "ours" else 0
    found = list(eyes_at_224.EYES_AT_224.run(Trial(arm, budget, 0), fixture=fixture, scope=SCOPE))
    rows = {row.metric: row for row in found if isinstance(row, Row)}
    if arm.startswith("eye_"):
        assert 0.99 < rows["same_as_fp32"].value <= 1 and rows["same_as_fp32"].examples_per_s > 0
    else:
        assert rows["accuracy"].value > 0.3


def test_another_device_is_for_experiments_with_an_eye(tmp_path: Path) -> None:
    scope = dataclasses.replace(SCOPE, device="cuda")
    for name in ("eyes", "eyes-at-224"):
        result = Result(tmp_path, name=name, protocol="", quick=True)
        assert runner.plan(EXPERIMENTS[name], scope=scope, result=result).missing
    with pytest.raises(ValueError, match="throughput has no eye"):
        runner.plan(EXPERIMENTS["throughput"], scope=scope, result=result)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is such a device")
def test_a_device_that_is_not_there_is_said_before_anything_is_seen(fixture: Fixture) -> None:
    with pytest.raises(ConfigError, match="device: cuda cannot be used"):
        fixture.build_eye(EYE | {"device": "cuda"})


@pytest.mark.parametrize("arm", ["features", "eye"])
def test_throughput_is_counted_in_seconds_of_the_processor(
    arm: str, fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eye_throughput, "EYE", EYE)
    monkeypatch.setattr(eye_throughput, "EYE_BATCH", 20)
    found = list(eye_throughput.EYE_THROUGHPUT.run(Trial(arm, 245_760, 0), fixture=fixture, scope=SCOPE))
    rows = {row.metric: row.value for row in found}
    assert rows["examples_per_cpu_s"] > 0
    assert ("ratio_to_eye" in rows) == (arm == "eye")
    assert rows.get("ratio_to_eye", 0.1) < 1.1


def test_small_batches_are_measured_beside_the_eye_alone(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eye_small_batches, "EYE", EYE)
    monkeypatch.setattr(eye_small_batches, "LARGE", 20)
    trial = Trial("eye_in_tens", 245_760, 0)
    found = list(eye_small_batches.EYE_SMALL_BATCHES.run(trial, fixture=fixture, scope=SCOPE))
    rows = {row.metric: row.value for row in found}
    assert rows["examples_per_cpu_s"] > 0
    assert rows["ratio_to_eye_in_hundreds"] > 0 and rows["ratio_to_eye"] > 0
