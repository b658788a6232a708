"""Learners share the partitions of a real topic, hand them over, and are consolidated: no Ray here."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from streamlearner.app import build
from streamlearner.cluster.lineage import Fenced
from tests.support.clusters import Cluster, a_cluster, produce_digits
from tests.support.kafka_topic import make_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PARTITIONS, COUNT = 4, 320


@pytest.fixture
def topic(broker: Any) -> str:
    name = f"cluster-{uuid.uuid4().hex[:8]}"
    make_topic(broker, name, partitions=PARTITIONS)
    return name


def assert_each_counted_once(cluster: Cluster, sent: list[int]) -> None:
    counted = cluster.counted()
    assert [counted[number]["offset"] for number in range(PARTITIONS)] == sent
    assert [counted[number]["examples"] for number in range(PARTITIONS)] == sent
    assert sum(it["duplicates"] for it in counted.values()) == 0


def test_two_learners_are_consolidated_into_a_model_that_knows_all_digits(
    broker: Any, topic: str, tmp_path: Path
) -> None:
    sent = produce_digits(broker, topic, COUNT, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS, sleep__steps=200) as cluster:
        cluster.scale(2)
        cluster.until(COUNT)
        for learner in cluster.learners.values():
            for lineage in learner.lineages.values():
                lineage.save()
        consolidator = cluster.consolidator()
        assert consolidator.turn() and consolidator.versions.newest == 1
        assert not consolidator.turn(), "nothing was learned since"
        published = cluster.version(1)
        assert len(published.labels) == 10 and published.progress.learned <= COUNT
        bundle = load_digits()
        images = torch.tensor((bundle.images[600:] * 15).astype("uint8"))[:, None]
        said = published.method.predict_proba(images, None).argmax(1).tolist()
        right = [published.labels.label(k) == y for k, y in zip(said, bundle.target[600:], strict=True)]
        assert sum(right) > 0.75 * len(right)
        for learner in cluster.learners.values():
            learner._look()
            for lineage in learner.lineages.values():
                assert lineage.daemon.learner is not None
                assert lineage.daemon.learner.progress.version == 1
                assert len(lineage.daemon.learner.labels) == 10, "classes that others saw"
                before = lineage.daemon.learner.method.memory.seen
                assert before == lineage.daemon.learner.progress.learned, "its own memory is its own"
        cluster.stop()
        assert_each_counted_once(cluster, sent)


def test_partitions_move_with_all_that_was_learned_of_them(broker: Any, topic: str, tmp_path: Path) -> None:
    sent = produce_digits(broker, topic, COUNT, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS) as cluster:
        for share, learners in ((0.25, 1), (0.5, 3), (0.75, 2), (1.0, 4)):
            cluster.scale(learners)
            cluster.until(int(share * COUNT))
        cluster.stop()
        assert_each_counted_once(cluster, sent)


def test_a_learner_that_is_killed_loses_nothing_and_learns_nothing_twice(
    broker: Any, topic: str, tmp_path: Path
) -> None:
    sent = produce_digits(broker, topic, COUNT, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS) as cluster:
        cluster.scale(2)
        for share in (0.3, 0.6):
            cluster.until(int(share * COUNT))
            cluster.kill("learner-0")
            cluster.start("learner-0")
        cluster.until(COUNT)
        cluster.stop()
        assert_each_counted_once(cluster, sent)


def test_a_frozen_learner_that_wakes_up_harms_nothing(broker: Any, topic: str, tmp_path: Path) -> None:
    sent = produce_digits(broker, topic, COUNT, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS) as cluster:
        cluster.scale(2)
        cluster.until(COUNT // 3)
        frozen = cluster.learners.pop("learner-0")
        held = list(frozen.lineages)
        cluster.start("learner-0")
        cluster.scale(3)
        cluster.until(COUNT)
        for lineage in frozen.lineages.values():
            lineage.daemon.wake()
            lineage.daemon.checkpoint()
        frozen._looked_s = 0.0
        with pytest.raises(Fenced, match="learner-0 was started again after its start 1: this one ends"):
            frozen.turn()
        assert held and not frozen.lineages
        cluster.stop()
        assert_each_counted_once(cluster, sent)


def test_partitions_of_a_learner_that_is_silent_are_taken_over(
    broker: Any, topic: str, tmp_path: Path
) -> None:
    sent = produce_digits(broker, topic, COUNT, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS) as cluster:
        cluster.scale(2)
        cluster.until(COUNT // 3)
        silent = cluster.learners.pop("learner-1")
        cluster.scale(1)
        cluster.until(COUNT)
        for lineage in list(silent.lineages.values()):
            lineage.daemon.wake()
            with pytest.raises(Fenced, match="was claimed after epoch 1"):
                lineage.save()
        for lineage in silent.lineages.values():
            lineage.daemon.close()
        cluster.stop()
        assert_each_counted_once(cluster, sent)


def test_a_published_version_is_a_state_folder_that_a_single_daemon_goes_on_from(
    broker: Any, topic: str, tmp_path: Path
) -> None:
    sent = produce_digits(broker, topic, 200, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS, sleep__steps=60) as cluster:
        cluster.scale(2)
        cluster.until(200)
        cluster.stop()
        consolidator = cluster.consolidator()
        assert consolidator.turn()
        shutil.copytree(consolidator.versions.folder(1), tmp_path / "state")
        own = {
            "state_dir": tmp_path / "state",
            "serving": cluster.config.serving.model_copy(update={"port": 0}),
        }
        alone = build(cluster.config.model_copy(update=own))
    more = produce_digits(broker, topic, 40, partitions=PARTITIONS, first=200)
    try:
        alone.restore()
        alone.open()
        for _ in range(2_000):
            alone.wake()
            if alone.state.tally.messages == 240:
                break
        alone.checkpoint()
        assert alone.learner is not None and alone.state.position is not None
        offsets = [place["offset"] for place in alone.state.position["partitions"].values()]
        assert offsets == [one + other for one, other in zip(sent, more, strict=True)]
        assert alone.learner.progress.learned + alone.learner.progress.withheld == 240
        assert alone.learner.method.memory.seen == alone.learner.progress.learned
    finally:
        alone.close()


def test_only_the_holder_of_the_lease_publishes(broker: Any, topic: str, tmp_path: Path) -> None:
    produce_digits(broker, topic, 120, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS, sleep__steps=5) as cluster:
        cluster.scale(1)
        cluster.until(120)
        cluster.stop()
        former, present = cluster.consolidator("one"), cluster.consolidator("other")
        assert not former.holds_lease and present.holds_lease
        assert not former.turn(at_once=True) and former.versions.newest == 0
        present.turn(at_once=True)
        assert not former.turn(at_once=True)
