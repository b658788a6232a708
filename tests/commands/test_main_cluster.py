"""`streamlearner cluster status` and `cluster scale` need the store alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamlearner.cluster.layout import ASSIGNMENT, LEARNERS, REPLICAS, REPORT, WANTED, claims_of
from streamlearner.cluster.store import Store

Ended = Callable[..., tuple[int, str, str]]
LONG_AGO = 1.0


@pytest.fixture
def store(tmp_path: Path, elsewhere: None) -> Store:
    """Of two learners with three partitions, one of which has no owner, and a replica that ended long ago."""
    made = Store(tmp_path / "store")
    made.replace(ASSIGNMENT, {"learner-0": [0, 1], "learner-1": [2]})
    for number in range(3):
        claims_of(made, number).next("learner-0")
    own = {"epoch": 4, "messages": 30, "learned": 28, "withheld": 2, "lag": 7, "bits": 4_096, "version": 3}
    told: dict[str, Any] = {"at_s": LONG_AGO, "starts": 3, "examples_per_s": 12.5}
    made.replace(
        f"{LEARNERS}/learner-0.json", told | {"name": "learner-0", "partitions": {"0": own, "1": own}}
    )
    made.replace(f"{REPLICAS}/host-7.json", {"name": "host-7", "version": 3, "at_s": 1e12})
    made.replace(f"{REPLICAS}/host-8.json", {"name": "host-8", "version": 2, "at_s": LONG_AGO})
    made.replace(REPORT, {"outcome": "published", "learned": 40, "seconds": 1.5})
    return made


def test_each_item_is_shown_under_its_name(store: Store, ended: Ended) -> None:
    code, out, _ = ended("cluster", "status", "--set", f"cluster.store={store.folder}")
    names, first, second, *rest = out.splitlines()
    assert (code, names.split()) == (
        0, ["learner", "partitions", "lag", "examples", "per", "s", "restarts", "bits"]
    )  # fmt: skip
    assert first.split() == ["learner-0", "0,1", "14", "60", "12.5", "2", "8192", "silent"]
    assert second.split()[:3] == ["learner-1", "-", "0"]
    assert rest[0] == "partitions without an owner: [2]"
    assert rest[-1] == "replica host-7: version 3"


def test_a_machine_is_told_the_same(store: Store, ended: Ended) -> None:
    code, out, _ = ended("cluster", "status", "--json", "--set", f"cluster.store={store.folder}")
    found = json.loads(out)
    assert (code, found["lag"], found["examples"], found["without_owner"]) == (0, 14, 60, [2])
    learner = found["learners"][0]
    assert learner.keys() >= {"partitions", "lag", "examples_per_s", "bits", "restarts"}
    assert [(it["name"], it["version"]) for it in found["replicas"]] == [("host-7", 3)]


def test_another_number_of_learners_is_asked_for_in_the_store(store: Store, ended: Ended) -> None:
    code, out, _ = ended("cluster", "scale", "--learners", "5", "--set", f"cluster.store={store.folder}")
    assert (code, out, store.read(WANTED)) == (0, "5 learners are wanted\n", {"learners": 5})
    code, _, err = ended("cluster", "scale", "--learners", "0", "--set", f"cluster.store={store.folder}")
    assert code == 2 and "--learners" in err and store.read(WANTED) == {"learners": 5}


def test_a_store_that_no_cluster_has_made_is_named(tmp_path: Path, elsewhere: None, ended: Ended) -> None:
    for words in (["status"], ["scale", "--learners", "2"]):
        code, _, err = ended("cluster", *words, "--set", f"cluster.store={tmp_path / 'none'}")
        assert code == 78 and f"there is no folder {tmp_path / 'none'}" in err
