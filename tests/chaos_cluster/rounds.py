"""A cluster of its own for so many events, and what became of each example."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from streamlearner.cluster.store import Store
from tests.chaos_cluster.asking import Asking
from tests.chaos_cluster.fates import Fate
from tests.chaos_cluster.nodes import Nodes, until
from tests.support.clusters import counted, produce_digits
from tests.support.daemon_process import free_port
from tests.support.kafka_topic import make_topic

PARTITIONS, NODES, AT_ONCE = 8, 3, 24
PAUSE_S = 1.0, 12.0
"""Between two events."""
TRIES = 20
"""For an event: a process that was killed takes a while to be there again."""


def a_round(
    broker: Any,
    folder: Path,
    *,
    kinds: Sequence[str],
    seed: int,
    begin_s: float,
    end_s: float,
    nodes: int = NODES,
) -> dict[str, Any]:
    """All of `kinds` of events happen to a cluster. Facts as JSON. Raises AssertionError where one could not,
    where an example was lost, or counted twice, or a prediction was not answered though nothing that answers
    was killed just then."""
    topic, store, port = f"chaos-{uuid.uuid4().hex[:8]}", Store(folder / "store"), free_port()
    make_topic(broker, topic, partitions=PARTITIONS)
    sent = produce_digits(broker, topic, 10 * AT_ONCE, partitions=PARTITIONS)
    config = folder / "cluster.yaml"
    config.write_text(yaml.safe_dump(settings(broker, topic, store, port)))
    ours, asking, began_s = Nodes(config, store, folder / "log"), Asking(port), time.monotonic()
    fate = Fate(ours, kinds, seed)
    try:
        ours.add(nodes, port=port, limit_s=begin_s)
        until(lambda: ours.status()["version"] > 0 and asking.began.is_set(), limit_s=begin_s)
        sent = all_happen(fate, broker, topic, sent, tries=TRIES * len(kinds))
        until(lambda: ours.status()["examples"] == sum(sent), limit_s=end_s)
        asking.stop()
        assert ours.drain() == 0, ours.words()
    except BaseException as error:
        error.add_note(ours.words())
        raise
    finally:
        fate.thaw(all_of_them=True)  # one that stays frozen would outlive its node
        ours.close()
    unexplained = asking.unexplained(fate.kills_of_answering_s)
    assert_each_is_counted_once(store, sent)
    assert not unexplained, unexplained
    return {
        "seed": seed,
        "events": dict(fate.happened),
        "examples": sum(sent),
        "predictions": {"answered": asking.answered, "failed_in_flight": len(asking.failed)},
        "versions": max(map(int, store.names("versions")), default=0),
        "seconds": round(time.monotonic() - began_s, 1),
    }


def all_happen(fate: Fate, broker: Any, topic: str, sent: list[int], *, tries: int) -> list[int]:
    """The events, one after the other, while more is sent: with that, examples of each partition."""
    for nth in range(tries):
        if not fate.left:
            break
        more = produce_digits(broker, topic, AT_ONCE, partitions=PARTITIONS, first=(10 + nth) * AT_ONCE)
        sent = [one + other for one, other in zip(sent, more, strict=True)]
        fate.strike()
        time.sleep(fate.draw.uniform(*PAUSE_S))
    assert not fate.left, f"never could be: {fate.left}"
    fate.thaw(all_of_them=True)
    return sent


def assert_each_is_counted_once(store: Store, sent: list[int]) -> None:
    """`sent`: examples of each partition."""
    found = counted(store, PARTITIONS)
    assert [found[number]["offset"] for number in range(PARTITIONS)] == sent, (found, sent)
    assert [found[number]["examples"] for number in range(PARTITIONS)] == sent, (found, sent)
    assert sum(it["duplicates"] for it in found.values()) == 0, found


def settings(broker: Any, topic: str, store: Store, port: int) -> dict[str, Any]:
    return {
        "source": {"type": "kafka", "kafka": {"bootstrap_servers": broker.address, "topic": topic}},
        "memory": {"budget_bits": "16 KiB"},
        "sleep": {"steps": 30},
        "checkpoint": {"every_examples": 15},
        "threads": 1,
        "serving": {"port": port},
        "cluster": {
            "store": str(store.folder),
            "replicas": 2,
            "learners": 2,
            "consolidate_every_examples": 100,
            "takeover_s": 5,
        },
    }
