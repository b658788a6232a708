"""Ray's multi-node test cluster on this machine, with `streamlearner cluster run` on it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from streamlearner.cluster.layout import LEARNERS, LEASE, REPLICAS, WANTED
from streamlearner.cluster.status import status_document
from streamlearner.cluster.store import Store
from tests.support.daemon_process import free_port
from tests.support.processes import begun_by_this

CPUS = 8
"""Of a node: two nodes must hold all that runs, while a third is down."""
END_S, PROXY_S = 300.0, 90.0
STARTS = 3
"""Tries for a node."""
ENVIRONMENT = {
    "RAY_raylet_start_wait_time_s": "60",
    "RAY_agent_register_timeout_ms": "300000",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_health_check_timeout_ms": "60000",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "90",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}
"""Ray gives a node, and a proxy, few seconds to start: too few beside other tests. (A raylet that has ended
is waited for as long as one that starts.) The last one: it looks for 127.0.0.1 at the machine's address
otherwise, where these nodes do not listen."""
AGENT_PORTS = (
    "metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", "dashboard_agent_listen_port",
)  # fmt: skip


class Nodes:
    """A head, on which only the command and the port of the replicas are, and nodes for all else. Processes
    are found by the store, and ended only if they are children of these nodes."""

    def __init__(self, config: Path, store: Store, log: Path) -> None:
        self.store, self._log = store, log
        self._ray = a_head(cpus=0)
        command = [sys.executable, "-m", "streamlearner", "cluster", "run", "--config", str(config)]
        with log.open("w") as words:
            self.command = subprocess.Popen(
                command, stdout=words, stderr=words, env=os.environ | {"RAY_ADDRESS": self._ray.address}
            )

    def add(self, count: int, *, port: int, limit_s: float) -> None:
        """Nodes, once the command is connected: it ends with the node that it is connected to, so that must
        be the head."""
        until(lambda: "Connected to Ray cluster" in self._log.read_text(), limit_s=limit_s)
        with suppress(AssertionError):  # all nodes have one address: the head's proxy is to have the port
            until(lambda: _is_open(port), limit_s=PROXY_S)
        for _ in range(count):
            self._add()

    def _add(self) -> None:
        _tried(lambda: self._ray.add_node(num_cpus=CPUS, **_ports()))

    def status(self) -> dict[str, Any]:
        return status_document(self.store)

    def learners(self) -> list[int]:
        """Processes of ours, as the store tells."""
        names = [it["name"] for it in self.status()["learners"]]
        told = [self.store.read(f"{LEARNERS}/{name}.json") or {} for name in names]
        return self._ours([it.get("pid", 0) for it in told])

    def replicas(self) -> list[int]:
        names = [name.removesuffix(".json") for name in self.store.names(REPLICAS)]
        return self._ours([int(name.rpartition("-")[2]) for name in names])

    def consolidator(self) -> list[int]:
        claims = [name for name in self.store.names(LEASE) if name[:6].isdigit()]
        holder = str((self.store.read(f"{LEASE}/{claims[-1]}") or {}).get("holder", "")) if claims else ""
        return self._ours([int(word) for word in holder.split() if word.isdigit()])

    def _ours(self, pids: list[int]) -> list[int]:
        return [pid for pid in pids if pid and self._ray.address in _command_of(_parent_of(pid))]

    def kill_node(self, draw: random.Random) -> None:
        """Returns once nothing that ran on it is left: replicas, and the proxy whose socket some client may
        just have, end a moment after their raylet."""
        nodes = sorted(self._ray.worker_nodes, key=lambda node: str(node.unique_id))
        node = draw.choice(nodes)
        lost = [pid for pid in begun_by_this() if node.raylet_socket_name in _command_of(_parent_of(pid))]
        self._ray.remove_node(node, allow_graceful=False)
        until(lambda: not any(map(_command_of, lost)), limit_s=END_S, each_s=0.1)

    def replace_node(self) -> None:
        """Another one comes in the place of one that was killed."""
        self._add()

    def scale(self, learners: int) -> None:
        """As `streamlearner cluster scale` does."""
        self.store.replace(WANTED, {"learners": learners})

    def drain(self) -> int:
        """The exit status of the command after SIGTERM."""
        self.command.send_signal(signal.SIGTERM)
        return self.command.wait(END_S)

    def close(self) -> None:
        self.command.kill()
        self.command.wait()
        self._ray.shutdown()

    def words(self) -> str:
        """The end of what the command said."""
        return self._log.read_text()[-3_000:]


def a_head(*, cpus: int) -> Any:
    """The first node of a Ray of its own (`ray.cluster_utils.Cluster`)."""
    os.environ.update(ENVIRONMENT)  # before Ray is imported, which reads them once
    from ray.cluster_utils import Cluster

    head = {"num_cpus": cpus, "include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    return _tried(lambda: Cluster(initialize_head=True, head_node_args=head | _ports()))


def _tried(start: Callable[[], Any]) -> Any:
    """On a busy machine a node may end before all of it is there, as Ray waits 30 s for a raylet, and a
    raylet 15 s for its agents, come what may: then another one is tried."""
    for left in reversed(range(STARTS)):
        before = set(begun_by_this())
        try:
            with _light():
                return start()
        except Exception:  # Ray raises no other, and leaves what it had started
            for pid in set(begun_by_this()) - before:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if not left:
                raise


@contextmanager
def _light() -> Iterator[None]:
    """Agents as those of a Ray without the extra `default`, which serve no HTTP: what they import otherwise
    takes seconds of a core, for each node, and nothing here asks them."""
    from ray._private import utils

    before = utils.get_dashboard_dependency_error
    utils.get_dashboard_dependency_error = lambda: ImportError("no dashboard is wanted")
    try:
        yield
    finally:
        utils.get_dashboard_dependency_error = before


def _ports() -> dict[str, Any]:
    """Of a node and its agents: where they are left open, a raylet waits 15 s for its agent to write its own,
    and dies of it beside other tests."""
    return {"node_ip_address": "127.0.0.1"} | {name: free_port() for name in AGENT_PORTS}


def until(what: Callable[[], bool], *, limit_s: float, each_s: float = 1.0) -> None:
    end_s = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < end_s, f"not within {limit_s} s"
        time.sleep(each_s)


def _is_open(port: int) -> bool:
    with socket.socket() as to:
        return to.connect_ex(("127.0.0.1", port)) == 0


def _parent_of(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("PPid:")), 0)


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
