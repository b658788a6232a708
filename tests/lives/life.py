"""One life: the daemon's real loop in a world, started again after each end, until it is through."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from prometheus_client import CollectorRegistry

from streamlearner.app.assembly import assemble, make_serving
from streamlearner.app.machine import Machine
from streamlearner.config.loading import Config
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.requests import Requests
from streamlearner.decoding.codec import REASONS, Codec
from streamlearner.errors import CheckpointError, StreamlearnerError
from streamlearner.learning.predictor import Predictor
from streamlearner.serving import Serving
from streamlearner.serving.served_model import ServedModel
from streamlearner.state.checkpoint import Checkpoint, CheckpointStore
from streamlearner.state.rollback import roll_back
from streamlearner.state.versions import Versions
from streamlearner.telemetry.metrics import Metrics
from tests.lives.around import add_client, spare_what_a_start_goes_back_to
from tests.lives.disk import SimulatedDisk
from tests.lives.faults import Fault, Killed, Stuck
from tests.lives.method import Poisoned
from tests.lives.outside import Outside, SimulatedDeadLetters, SimulatedSource
from tests.lives.promises import Broken, Promises
from tests.lives.worlds import STATE_DIR, World, world

STARTS = 100
"""Of one life at most: a plan has eight faults."""
CALM_LIMIT = 50_000


@cache
def metrics() -> Metrics:
    """One for all lives: nothing is scraped."""
    return Metrics(CollectorRegistry(), version="lives", reject_reasons=REASONS)


@cache
def a_serving() -> Serving:
    """A real one that never starts, as they take long to make."""
    codec = Codec()
    asked = Requests(
        ingest=None, request_sleep=lambda: None, kept_versions=list, log_erasure=None, clock=lambda: 0.0
    )
    return make_serving(world(0).config, requests=asked, metrics=metrics(), codec=codec)


class SimulatedServing(Serving):
    """The served model is real; nobody listens on a port."""

    scheme, address = "http", ("lives", 0)  # type: ignore[assignment]

    def __init__(self, config: Config, promises: Promises, requests: Requests, outside: Outside) -> None:
        self.__dict__.update(a_serving().__dict__)
        self._promises = promises
        self._requests = requests
        self._served = ServedModel(
            every_examples=config.serving.refresh_every_examples,
            every_s=5.0,
            metrics=metrics(),
            now_s=outside.wall_clock,
        )

    def start(self) -> None:
        """There is no port."""

    def stop(self) -> None:
        """There is no port."""

    def refresh(self, predictor: Predictor | None) -> bool:
        self._promises.status(self._requests.status())
        if refreshed := super().refresh(predictor):
            assert self.current is not None
            self._promises.served(self.current)
        return refreshed


@dataclass(slots=True)
class Ending:
    """How a life ended: its last checkpoint, and what was seen on the way. `broken` is the first promise that
    was."""

    checkpoint: Checkpoint | None = None
    broken: str | None = None
    calls: dict[str, int] = field(default_factory=dict)
    total: int = 0
    starts: int = 0
    names: dict[str, str] = field(default_factory=dict)
    letters: dict[int, str] = field(default_factory=dict)
    struck: list[Fault] = field(default_factory=list)
    damaged: bool = False
    rolled: dict[int, str] = field(default_factory=dict)


class Life:
    """`limit` calls after the last fault it must have come to the end of the stream."""

    def __init__(self, lived_in: World, plan: Sequence[Fault], *, seed: int, limit: int) -> None:
        self.world = lived_in
        self.outside = Outside(plan, limit=limit, seed=seed)
        self.disk = SimulatedDisk(self.outside, Path(STATE_DIR), keep=lived_in.config.checkpoint.keep)
        self.source = SimulatedSource(lived_in.messages, self.outside)
        self.letters: dict[int, str] = {}
        self.promises = Promises(lived_in, self.source, self.letters, self.outside)

    def live(self) -> Ending:
        ending = Ending()
        try:
            while not self._run() or self._is_damaged_at_the_end():
                ending.starts += 1
                if ending.starts >= STARTS:
                    raise Broken(f"it was started {STARTS} times and has not come to the end of the stream")
            self.outside.ends()
            ending.checkpoint = self._last_checkpoint()
            self.promises.ended(ending.checkpoint)
        except Broken as broken:
            ending.broken = str(broken)
        except Stuck:
            ending.broken = f"{self.outside.limit} calls after the last fault the stream is not at its end"
        ending.calls, ending.total = dict(self.outside.calls), self.outside.total
        ending.names, ending.letters = self.promises.names, self.letters
        ending.rolled = self.promises.rolled
        ending.struck, ending.damaged = self.outside.struck, self.promises.damaged
        return ending

    def _run(self) -> bool:
        """From a start to an end of the process; True once the stream is."""
        struck = len(self.outside.struck)
        try:
            if self.outside.dead is not None:
                self._after(self.outside.dead)
            self.disk.wanted = None
            daemon = self._daemon()
            self.promises.started(daemon)
            daemon.run()
        except (Killed, Poisoned):
            return False
        except StreamlearnerError as error:
            if len(self.outside.struck) == struck:
                raise Broken(f"without a fault it ended with {type(error).__name__}: {error}") from error
            return False
        except Exception as error:
            where = " < ".join(
                frame.name for frame in reversed(traceback.extract_tb(error.__traceback__)[2:-2])
            )
            raise Broken(f"it crashed, which is a bug: {type(error).__name__}: {error} ({where})") from error
        return True

    def _is_damaged_at_the_end(self) -> bool:
        """A bit of the last checkpoint was lost behind the daemon's back: a start goes on from before it."""
        with self.outside.peace():
            found = self._last_checkpoint()
        return found is not None and bool(found.skipped)

    def _after(self, fault: Fault) -> None:
        """What comes between the end of the process and its next start, in which it may be struck again."""
        self.outside.dead = None
        if fault.kind == "cut":
            self.disk.power_cut(Random(fault.chance))
        elif fault.kind == "operator":
            self._roll_back(Random(fault.chance))

    def _roll_back(self, rng: Random) -> None:
        """As `streamlearner checkpoint rollback` does, or does not."""
        self.source.committed = 0
        config, folder = self.world.config, Path(STATE_DIR)
        with suppress(CheckpointError):
            store = CheckpointStore(
                folder / "checkpoints", keep=config.checkpoint.keep, clock=lambda: 0.0, disk=self.disk
            )
            versions = Versions(folder / "versions", keep=config.checkpoint.keep_versions, disk=self.disk)
            if kept := store.entries():
                number = rng.choice(kept).number
                self.disk.wanted = str(folder / "checkpoints" / f"{number:012d}")
                roll_back(store, versions, number)

    def _daemon(self) -> Daemon:
        outside = self.outside

        def serve(config: Config, *, requests: Requests, metrics: Metrics, codec: Codec) -> Any:
            return SimulatedServing(config, self.promises, requests, outside)

        daemon = assemble(
            self.world.config,
            source=self.source,
            dead_letters=SimulatedDeadLetters(outside, self.letters),
            machine=Machine(
                clock=outside.clock, wall_clock=outside.wall_clock, sleep=outside.sleep, disk=self.disk
            ),
            metrics=metrics(),
            serve=serve,
            resources=ExitStack(),
        )
        spare_what_a_start_goes_back_to(daemon, self.disk)
        add_client(daemon, self.world, self.promises)
        self.promises.watch_versions(daemon)
        return daemon

    def _last_checkpoint(self) -> Checkpoint | None:
        found = CheckpointStore(Path(STATE_DIR) / "checkpoints", keep=1, clock=lambda: 0.0, disk=self.disk)
        try:
            return found.latest()
        except StreamlearnerError as error:
            raise Broken(f"at the end: {error}") from error
