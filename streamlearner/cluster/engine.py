"""A cluster's processes as Ray actors: placed, restarted and ended by Ray, which is imported only once a
cluster is started.

An actor's call may be repeated by Ray after a restart, with fresh state: all that an actor is told, it reads
from the store, and each of its methods may be called twice.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from streamlearner.app.cluster import make_lineage
from streamlearner.app.cluster_setup import Resources, Setup, open_config
from streamlearner.app.consolidating import Consolidating
from streamlearner.cluster.assignment import assigned, read_assignment
from streamlearner.cluster.claims import Claims
from streamlearner.cluster.consolidator import Consolidator
from streamlearner.cluster.layout import ASSIGNMENT, RUNS, WANTED
from streamlearner.cluster.learner import IDLE_S, ClusterLearner
from streamlearner.cluster.replicas import NAME, answering
from streamlearner.cluster.status import status_document
from streamlearner.cluster.store_at import store_at
from streamlearner.cluster.versions import PublishedVersions
from streamlearner.errors import ConfigError, StateInUse
from streamlearner.telemetry.cluster_series import ClusterMetrics

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
DRAIN_S = 120.0
UNHURRIED = {
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "90",
}
"""For a Ray of our own. It gives a node, and a proxy, few seconds to start, and ends one that takes longer:
on a busy machine all of them. Whoever sets these otherwise is obeyed."""
SPARE_LEARNERS = 8
"""Room for those that are asked for later, and for what Ray itself starts, on a machine of our own."""


class Loop:
    """Runs turns on one thread until it is stopped. A turn that fails ends the process, and Ray starts it
    again: what counts is in the store."""

    def __init__(self, turn: Callable[[], bool], stop: Callable[[], None]) -> None:
        self._turn, self._stop, self._stopping = turn, stop, threading.Event()
        self._thread = threading.Thread(target=self._run, name="turns", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._turn():
                    self._stopping.wait(IDLE_S)
            self._stop()
        except BaseException:
            log.exception("this process ends")
            os._exit(1)

    def stop(self) -> bool:
        """True once it has ended in order."""
        self._stopping.set()
        self._thread.join(DRAIN_S)
        return not self._thread.is_alive()


class LearnerActor:
    """One learner."""

    def __init__(self, setup: Setup, name: str) -> None:
        config, store = open_config(setup), store_at(setup.store)
        work = Consolidating(config)

        def load_version(number: int) -> Any:
            state = work.read(PublishedVersions(store).folder(number))
            assert state is not None and state.learner is not None
            return state.learner

        self.learner = ClusterLearner(
            name=name,
            store=store,
            make_daemon=lambda partition, folder: make_lineage(config, partition=partition, folder=folder),
            load_version=load_version,
            takeover_s=setup.takeover_s,
        )
        self._loop = Loop(self.learner.turn, self.learner.stop)

    def pid(self) -> int:
        """That it answers, and which process it is."""
        return os.getpid()

    def stop(self) -> bool:
        """Saves all and gives it up."""
        return self._loop.stop()


class ConsolidatorActor:
    """The one consolidator."""

    def __init__(self, setup: Setup) -> None:
        config, store = open_config(setup), store_at(setup.store)
        consolidator = Consolidator(
            holder=f"process {os.getpid()}",
            store=store,
            work=Consolidating(config),
            every_examples=setup.consolidate_every_examples,
        )

        def turn() -> bool:
            time.sleep(LOOK_EVERY_S)
            return consolidator.turn()

        self._loop = Loop(turn, lambda: None)

    def pid(self) -> int:
        return os.getpid()

    def stop(self) -> bool:
        return self._loop.stop()


class Engine:
    """Starts a cluster's processes, follows the number of learners that is wanted, and ends them in order."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.store = setup, store_at(setup.store)
        self._runs = Claims(self.store, RUNS)
        self._run = self._runs.next(f"process {os.getpid()}")
        self.store.replace(WANTED, {"learners": setup.learners})
        self._actors: dict[str, Any] = {}
        self._ray: Any = None
        self._serves = False

    def start(self) -> None:
        """On the cluster at RAY_ADDRESS, or one of its own on this machine. Raises ConfigError without
        Ray."""
        if not os.environ.get("RAY_ADDRESS"):
            os.environ.update(UNHURRIED | os.environ)  # read when Ray is imported
        try:
            import ray
        except ModuleNotFoundError:
            raise ConfigError("a cluster needs Ray: pip install 'streamlearner[cluster]'") from None
        from ray.util.metrics import Gauge

        setup, self._ray = self.setup, ray
        ray.init(log_to_driver=True, **({} if os.environ.get("RAY_ADDRESS") else self._alone()))
        self._metrics = ClusterMetrics(Gauge)
        self._consolidator = self._remote(ConsolidatorActor, setup.consolidator).remote(setup)
        self.follow()

    def _alone(self) -> dict[str, Any]:
        """Options of a Ray of our own: what is wanted may be more than this machine's cores."""
        setup = self.setup
        kinds = [setup.consolidator, *[setup.replica] * setup.replicas.most]
        kinds += [setup.learner] * (self._wanted + SPARE_LEARNERS)
        memory = sum(kind.memory_bytes or 0 for kind in kinds)
        return {
            "num_cpus": math.ceil(sum(kind.cpus for kind in kinds)),
            **({"_memory": memory} if memory else {}),
            "include_dashboard": False,
            "_node_ip_address": "127.0.0.1",
            "_system_config": {"worker_niceness": 0},  # by default 15: they would starve beside anything
        }

    def _serve(self) -> None:
        """Learning does not wait for replicas: where they cannot be had yet, they are tried for again."""
        try:
            self._deploy()
            self._serves = True
        except Exception as error:
            log.warning("no replica answers yet: %s", str(error).strip().splitlines()[0])

    def _deploy(self) -> None:
        from ray import serve

        serve.start(http_options={"host": self.setup.host, "port": self.setup.port})
        serve.run(answering(self.setup), name=NAME, route_prefix="/")

    def follow(self) -> None:
        """As many learners as are wanted now. Who goes gives up its partitions before others take them.
        Raises StateInUse where the cluster was started again elsewhere."""
        if not self._runs.holds(self._run):
            raise StateInUse(
                f"another `streamlearner cluster run` has taken {self.store.location}: this one ends"
            )
        names = [f"learner-{number}" for number in range(self._wanted)]
        former = read_assignment(self.store)
        if set(former) != set(names) or sum(map(len, former.values())) != self.setup.partitions:
            self.store.replace(ASSIGNMENT, assigned(self.setup.partitions, names, former))
        for name in [name for name in self._actors if name not in names]:
            actor = self._actors.pop(name)
            self._drain(actor)
            self._ray.kill(actor)
        for name in [name for name in names if name not in self._actors]:
            made = self._remote(LearnerActor, self.setup.learner)
            self._actors[name] = made.remote(self.setup, name)
        if self.setup.replicas.most and not self._serves:
            self._serve()

    def publish(self) -> None:
        """What is seen of the cluster, on the metrics port of this node's Ray."""
        self._metrics.publish(status_document(self.store))

    def stop(self) -> None:
        """Drains all: learners save and give up their partitions."""
        if self._serves:
            self._ray.serve.shutdown()
        self._drain(*self._actors.values(), self._consolidator)
        self._ray.shutdown()

    def _drain(self, *actors: Any) -> None:
        """One that does not answer is ended all the same: others go on from its last checkpoints."""
        try:
            self._ray.get([actor.stop.remote() for actor in actors], timeout=DRAIN_S)
        except Exception as error:
            log.warning("not all could save in time: %s", str(error).strip().splitlines()[0])

    @property
    def _wanted(self) -> int:
        return max(1, int((self.store.read(WANTED) or {}).get("learners", 1)))

    def _remote(self, kind: type, resources: Resources) -> Any:
        return self._ray.remote(max_restarts=-1, max_task_retries=-1, **resources.options())(kind)
