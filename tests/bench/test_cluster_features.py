"""`bench run cluster-features`: learners of features that a network gave, each with classes of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from streamlearner.bench.assembly import build_fixture
from streamlearner.bench.experiments import cluster
from streamlearner.bench.kit.experiment import Scope, Trial
from tests.support.tiny_bench import dataset


def test_the_consolidated_model_of_features_knows_what_each_learner_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(cluster, "EYE", {"eye.name": "tests.support.eyes:tiny"})
    fixture = dataclasses.replace(build_fixture(data=tmp_path), load_dataset=dataset)
    found = {}
    for arm in ("ours", "alone", "federated_averaging"):
        rows = cluster.CLUSTER_FEATURES.run(
            Trial(arm, 200_000, 0), fixture=fixture, scope=Scope(seeds=1, budgets_bits=None, quick=True)
        )
        found[arm] = {row.metric: row.value for row in rows}
        assert all(row.stored_bits <= 200_000 for row in rows)
    assert found["ours"]["accuracy"] > 0.5 and found["alone"]["accuracy"] > 0.5
    assert found["federated_averaging"].keys() == {"accuracy_of_network"}
