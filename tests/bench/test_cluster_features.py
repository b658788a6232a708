"""`bench run cluster-features`: learners of features that a network gave, each with classes of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.experiments import cluster
from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.material import shards
from streamlearner.networks.by_name import build_network
from tests.support.tiny_bench import dataset


def test_the_consolidated_model_of_features_knows_what_each_learner_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "EYE", {"eye.name": "tests.support.eyes:tiny"})
    fixture = dataclasses.replace(build_fixture(data=tmp_path), load_dataset=dataset)
    scope, found = Scope(seeds=1, budgets_bits=None, quick=True), {}
    for arm in ("ours", "alone", "federated_averaging"):
        rows = list(cluster.CLUSTER_FEATURES.run(Trial(arm, 200_000, 0), fixture=fixture, scope=scope))
        found[arm] = {row.metric: row.value for row in rows}
        assert all(row.stored_bits <= 200_000 for row in rows)
    quarter = Trial("federated_averaging", 200_000, 0, 150)
    rows = list(cluster.CLUSTER_FEATURES.run(quarter, fixture=fixture, scope=scope))
    assert {row.trial for row in rows} == {("federated_averaging", 200_000, 0, 150)}  # not run again
    assert found["ours"]["accuracy"] > 0.5 and found["alone"]["accuracy"] > 0.5
    assert found["federated_averaging"].keys() == {"accuracy_of_network"}


def test_networks_that_know_other_numbers_of_classes_are_averaged() -> None:
    networks = [build_network(name="mlp", input_shape=(5,), generator=torch.Generator()) for _ in range(2)]
    for network, classes in zip(networks, (3, 40), strict=True):
        network.head.grow(classes)
        network.head.weight.data[2] = float(classes)
    mean = shards.averaged(shards.states_alike(networks), [3.0, 1.0])
    assert mean["head.weight"].shape == networks[1].head.weight.shape == networks[0].head.weight.shape
    assert mean["head.weight"][2].tolist() == pytest.approx([(3 * 3 + 40) / 4] * networks[0].head.in_features)
    assert not mean["head.weight"][20:].any()
