"""A single daemon's state folder becomes a cluster, and one example counts once on the way."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path
from typing import Any

import pytest

from streamlearner.app import build
from streamlearner.app.daemon_partitions import daemon_partitions
from streamlearner.cluster.take_in import take_in
from streamlearner.config.loading import Config
from streamlearner.daemon.loop import Daemon
from streamlearner.errors import ConfigError, StateInUse
from tests.support.clusters import Cluster, a_cluster, produce_digits
from tests.support.kafka_topic import make_topic, producer

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PARTITIONS = 4


def alone(cluster: Cluster, folder: Path) -> Config:
    """The settings of a single daemon with this state folder."""
    serving = cluster.config.serving.model_copy(update={"port": 0})
    return cluster.config.model_copy(update={"state_dir": folder, "serving": serving})


def taken_in(cluster: Cluster, folder: Path) -> bool:
    return take_in(cluster.store, lambda: daemon_partitions(cluster.config, folder), holder="a daemon")


def opened(config: Config) -> Daemon:
    daemon = build(config)
    daemon.restore()
    daemon.open()
    return daemon


def wake_until(daemon: Daemon, messages: int) -> None:
    for _ in range(2_000):
        daemon.wake()
        if daemon.state.tally.messages == messages:
            return
    raise AssertionError(f"{daemon.state.tally.messages} of {messages} messages")


def learned_of(daemon: Daemon) -> Any:
    assert daemon.learner is not None
    return daemon.learner


def test_a_daemon_becomes_a_cluster_and_one_again(broker: Any, tmp_path: Path) -> None:
    topic = f"cluster-{uuid.uuid4().hex[:8]}"
    make_topic(broker, topic, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS, exam__fraction=0.1) as cluster:
        produce_digits(broker, topic, 120, partitions=PARTITIONS)
        daemon = opened(alone(cluster, tmp_path / "state"))
        wake_until(daemon, 120)
        daemon.checkpoint()
        with pytest.raises(StateInUse):
            taken_in(cluster, tmp_path / "state")
        first = learned_of(daemon)
        first.begin_consolidation()
        first.consolidate(1)
        daemon.checkpoint()
        daemon.close()

        assert taken_in(cluster, tmp_path / "state")
        assert not taken_in(cluster, tmp_path / "state"), "as after a restart"
        assert len(cluster.version(1).labels) == 10

        produce_digits(broker, topic, 120, partitions=PARTITIONS, first=40)  # 80 of them once more
        cluster.scale(2)
        cluster.until(240)
        cluster.stop()
        counted = cluster.counted().values()
        assert sum(it["examples"] for it in counted) == 160 and sum(it["duplicates"] for it in counted) == 80
        assert sum(it["offset"] for it in counted) == 240

        assert cluster.consolidator().turn(at_once=True)
        whole = cluster.version(2)
        assert whole.method.memory.seen == whole.progress.learned
        assert whole.progress.learned + whole.progress.withheld == 160

        shutil.copytree(tmp_path / "store" / "versions" / "000002", tmp_path / "back")
        produce_digits(broker, topic, 20, partitions=PARTITIONS, first=200)
        daemon = opened(alone(cluster, tmp_path / "back"))
        try:
            wake_until(daemon, 260)
            progress = learned_of(daemon).progress
            assert progress.learned + progress.withheld == 180
        finally:
            daemon.close()


def test_a_partition_that_has_learned_nothing_yet_keeps_its_place(broker: Any, tmp_path: Path) -> None:
    topic = f"cluster-{uuid.uuid4().hex[:8]}"
    make_topic(broker, topic, partitions=PARTITIONS)
    with a_cluster(broker, topic, tmp_path / "store", partitions=PARTITIONS) as cluster:
        sent = produce_digits(broker, topic, 120, partitions=PARTITIONS)
        daemon = opened(alone(cluster, tmp_path / "state"))
        wake_until(daemon, 120)
        for _ in range(2):
            learned_of(daemon).begin_consolidation()
            learned_of(daemon).consolidate(1_000)
        newest = learned_of(daemon).progress.newest
        daemon.checkpoint()
        daemon.close()
        assert taken_in(cluster, tmp_path / "state")
        consolidator = cluster.consolidator()
        assert consolidator.versions.newest == newest > 0
        assert consolidator.turn(at_once=True)
        state = cluster.work.read(consolidator.versions.folder(newest + 1))
        assert state is not None and state.position is not None
        assert [it["offset"] for it in state.position["partitions"].values()] == sent


def test_what_a_cluster_cannot_go_on_from_is_refused(broker: Any, tmp_path: Path) -> None:
    topic = f"cluster-{uuid.uuid4().hex[:8]}"
    make_topic(broker, topic, partitions=1)
    with a_cluster(broker, topic, tmp_path / "store", partitions=1) as cluster:
        with producer(broker) as made:
            made.send(topic, b"no example")
            made.flush()
        daemon = opened(alone(cluster, tmp_path / "state"))
        wake_until(daemon, 1)
        daemon.checkpoint()
        daemon.close()
        with pytest.raises(ConfigError, match="nothing was learned yet in"):
            taken_in(cluster, tmp_path / "state")
        produce_digits(broker, topic, 30, partitions=1)
        daemon = opened(alone(cluster, tmp_path / "state"))
        wake_until(daemon, 31)
        daemon.checkpoint()
        daemon.close()
        other = Cluster(broker, "other", tmp_path / "store", partitions=1)
        with pytest.raises(ConfigError, match=f"was learned from {topic}, not from the topic other"):
            taken_in(other, tmp_path / "state")
        assert cluster.store.names("") == [], "nothing was begun"
