"""What answers cost: requests a second beside other servers, and what learning keeps meanwhile.

Servers and clients take turns within one run, each in a process of its own, so that a machine whose speed
drifts slows all.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from streamlearner.bench.kit.experiment import Scope, Trial
from streamlearner.bench.kit.fixture import Fixture
from streamlearner.bench.kit.results import Row
from streamlearner.bench.served.pictures import body, protocol_body
from streamlearner.bench.served.processes import MLSERVER, Load, Server, ask, mlserver, running

CONNECTIONS = (1, 8, 64)
KEPT_AT = 8
"""Connections while it is measured what learning keeps."""
TURNS = 7
WARM_UP_S = 3.0
Figures = dict[tuple[str, str], list[float]]
"""By arm and metric, one for each turn."""


@dataclass(frozen=True, slots=True)
class ServingCost:
    """Each value is a median over turns; ratios are taken within a turn."""

    name: str = "serving"
    protocol: str = (
        "POST of one picture of 28 x 28 as JSON (784 numbers) in a closed loop of 1, 8 and 64 connections "
        "that stay open, LeNet everywhere, each server and the clients in a process of its own on one "
        "machine, one thread for torch in each, in turns of two seconds. ours: the daemon, default settings, "
        "no sleep, idle; ours_learning: while it learns a stream without end; ours_one_process: idle, with "
        "serving.gateway false. bare_handler: FastAPI and torch, the handler "
        "in FastAPI's threads; bare_handler_async: on its event loop. mlserver: MLServer, one process, the "
        f"same network, the Open Inference Protocol; absent where {MLSERVER} names none. "
        "over_X: requests/s of ours over those of X; cpu_over_X: the same of requests for a second of CPU, "
        "of all processes of the server. p99_learning_over_idle: of ours. kept_beside: examples/s of the "
        "daemon while 8 connections ask ours_one_process, over those while nobody asks; kept_asked: while as "
        "many requests/s go to itself; kept_over_beside: the one over the other; kept_asked_freely: while 8 "
        "connections ask it in a closed loop, which is several times as many. "
        "Medians over seven turns."
    )

    def trials(self, scope: Scope) -> Iterable[Trial]:
        return [Trial("ours", 0, seed) for seed in range(scope.seeds)]

    def run(self, trial: Trial, *, fixture: Fixture, scope: Scope) -> Iterator[Row]:
        turns, seconds = (1, 0.3) if scope.quick else (TURNS, 2.0)
        started = time.perf_counter()
        with ExitStack() as running_servers:
            servers = _start(running_servers)
            found: Figures = defaultdict(list)
            for _ in range(turns):
                for connections in CONNECTIONS:
                    _race(servers, found, connections=connections, seconds=seconds)
                _what_learning_keeps(servers, found, seconds=seconds)
        spent = round(time.perf_counter() - started, 2)
        for (arm, metric), values in found.items():
            yield Row(arm, 0, 0, 0, trial.seed, metric, statistics.median(values), None, spent, 0.0)


def _start(stack: ExitStack) -> Mapping[str, Server]:
    servers = {
        "ours": stack.enter_context(running("daemon")),
        "ours_one_process": stack.enter_context(running("daemon", "false")),
        "bare_handler": stack.enter_context(running("bare", "threads")),
        "bare_handler_async": stack.enter_context(running("bare", "loop")),
    }
    if command := os.environ.get(MLSERVER):
        servers["mlserver"] = stack.enter_context(mlserver(command))
    for name, server in servers.items():  # the first requests start what is not there yet
        ask(server, _sent(name), connections=KEPT_AT, seconds=WARM_UP_S)
    return servers


def _sent(name: str) -> bytes:
    return protocol_body() if name == "mlserver" else body()


def _race(servers: Mapping[str, Server], found: Figures, *, connections: int, seconds: float) -> None:
    """One turn of every server, with so many connections."""
    loads: dict[str, Load] = {}
    for name, server in servers.items():
        sent = _sent(name)
        loads[name] = ask(server, sent, connections=connections, seconds=seconds)
        if name == "ours":
            server.tell("learn")
            loads["ours_learning"] = ask(server, sent, connections=connections, seconds=seconds)
            server.tell("rest")
    for name, load in loads.items():
        found[name, f"requests_per_s_{connections}"].append(load.requests_per_s)
        found[name, f"p50_ms_{connections}"].append(load.p50_ms)
        found[name, f"p99_ms_{connections}"].append(load.p99_ms)
        found[name, f"requests_per_cpu_s_{connections}"].append(load.requests_per_cpu_s)
        if name not in ("ours", "ours_learning"):
            ratio = loads["ours"].requests_per_s / load.requests_per_s
            found["ours", f"over_{name}_{connections}"].append(ratio)
            ratio = loads["ours"].requests_per_cpu_s / load.requests_per_cpu_s
            found["ours", f"cpu_over_{name}_{connections}"].append(ratio)
    slower = loads["ours_learning"].p99_ms / loads["ours"].p99_ms
    found["ours", f"p99_learning_over_idle_{connections}"].append(slower)


def _what_learning_keeps(servers: Mapping[str, Server], found: Figures, *, seconds: float) -> None:
    """Examples a second while nobody asks, while another process is asked, as often ours, and ours freely."""
    ours, other = servers["ours"], servers["ours_one_process"]
    ask_for = partial(ask, body=body(), connections=KEPT_AT, seconds=seconds)
    alone, _ = _learning(ours, lambda: time.sleep(seconds))
    beside, load = _learning(ours, lambda: ask_for(other))
    asked, _ = _learning(ours, lambda: ask_for(ours, rate=load.requests_per_s))
    freely, _ = _learning(ours, lambda: ask_for(ours))
    found["ours", "examples_per_s"].append(alone)
    found["ours", "kept_asked"].append(asked / alone)
    found["ours", "kept_asked_freely"].append(freely / alone)
    found["ours", "kept_beside"].append(beside / alone)
    found["ours", "kept_over_beside"].append(asked / beside)


def _learning(server: Server, meanwhile: Callable[[], Any]) -> tuple[float, Any]:
    """Examples a second, and what is returned."""
    began, before = time.perf_counter(), server.tell("learn")
    result = meanwhile()
    return (server.tell("rest") - before) / (time.perf_counter() - began), result


SERVING = ServingCost()
