"""What is going on in a cluster, from its store alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from streamlearner.cluster.assignment import read_assignment
from streamlearner.cluster.layout import LEARNERS, PARTITIONS, REPLICAS, REPORT, claims_of
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions

SILENT_S = 10.0
"""A learner that has not reported for so long makes no progress."""


def status_document(store: Store, *, clock: Callable[[], float] = time.time) -> dict[str, Any]:
    """JSON: learners with their partitions, partitions without an owner, the last consolidation, the newest
    version, and which version each replica answers with."""
    now_s, assignment = clock(), read_assignment(store)
    learners = [_reported(store, name, now_s) for name in assignment]
    owned = {int(number) for learner in learners for number in learner["partitions"]}
    known = {int(name) for name in store.names(PARTITIONS)} | {n for own in assignment.values() for n in own}
    told = [store.read(f"{REPLICAS}/{name}") or {} for name in store.names(REPLICAS)]
    replicas = [it for it in told if now_s - float(it.get("at_s", 0.0)) <= SILENT_S]  # others have ended
    return {
        "learners": learners,
        "without_owner": sorted(known - owned),
        "epochs": {str(number): _epoch(store, number) for number in sorted(known)},
        "examples": sum(learner["examples"] for learner in learners),
        "examples_per_s": round(sum(learner["examples_per_s"] for learner in learners), 1),
        "lag": sum(learner["lag"] for learner in learners),
        "version": PublishedVersions(store).newest,
        "consolidation": store.read(REPORT),
        "replicas": replicas,
    }


def _epoch(store: Store, partition: int) -> int:
    newest = claims_of(store, partition).newest()
    return newest.epoch if newest else 0


def _reported(store: Store, name: str, now_s: float) -> dict[str, Any]:
    found = store.read(f"{LEARNERS}/{name}.json") or {}
    partitions: dict[str, Any] = found.get("partitions", {})
    silent_s = now_s - float(found.get("at_s", 0.0))
    return {
        "name": name,
        "silent": silent_s > SILENT_S,
        "silent_s": round(silent_s, 3),
        "restarts": max(0, int(found.get("starts", 1)) - 1),
        "examples_per_s": float(found.get("examples_per_s", 0.0)),
        "examples": sum(own["learned"] + own["withheld"] for own in partitions.values()),
        "lag": sum(own["lag"] for own in partitions.values()),
        "bits": sum(own["bits"] for own in partitions.values()),
        "partitions": partitions,
    }


def table(document: dict[str, Any]) -> str:
    """The same for a person."""
    lines = ["learner          partitions        lag  examples  per s  restarts      bits"]
    for it in document["learners"]:
        numbers = ",".join(it["partitions"]) or "-"
        lines.append(
            f"{it['name']:<16} {numbers:<14} {it['lag']:>6} {it['examples']:>9} {it['examples_per_s']:>6}"
            f" {it['restarts']:>9} {it['bits']:>9}" + ("  silent" if it["silent"] else "")
        )
    if document["without_owner"]:
        lines.append(f"partitions without an owner: {document['without_owner']}")
    last = document["consolidation"]
    told = f", {last['outcome']} from {last['learned']} examples in {last['seconds']} s" if last else ""
    lines.append(f"newest version: {document['version']}{told}")
    if last and "why" in last:
        lines.append(f"the last consolidation was refused: {last['why']}")
    lines += [f"replica {it.get('name')}: version {it.get('version')}" for it in document["replicas"]]
    return "\n".join(lines)
