"""The configured persistence: checkpoints, model versions, and when they are saved."""

from __future__ import annotations

from pathlib import Path

from streamlearner.app.machine import THIS_MACHINE, Machine
from streamlearner.config.loading import Config
from streamlearner.connectors.dead_letters import DeadLetters
from streamlearner.daemon.exports import Exports
from streamlearner.daemon.persistence import Persistence
from streamlearner.state.checkpoint import CheckpointStore
from streamlearner.state.versions import Versions
from streamlearner.stream import Source
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__


def make_checkpoints(config: Config, *, folder: Path, machine: Machine = THIS_MACHINE) -> CheckpointStore:
    """Those of the state folder `folder`."""
    return CheckpointStore(
        folder / "checkpoints",
        keep=config.checkpoint.keep,
        clock=machine.wall_clock,
        code_version=__version__,
        disk=machine.disk,
    )


def make_persistence(
    config: Config,
    *,
    source: Source,
    dead_letters: DeadLetters,
    metrics: Metrics,
    machine: Machine,
    exports: Exports | None,
) -> Persistence:
    section = config.checkpoint
    return Persistence(
        checkpoints=make_checkpoints(config, folder=config.state_dir, machine=machine),
        versions=Versions(config.state_dir / "versions", keep=section.keep_versions, disk=machine.disk),
        dead_letters=dead_letters,
        source=source,
        metrics=metrics,
        method=config.method.name,
        config_digest=config.digest(),
        settings=config.learning(),
        every_examples=section.every_examples,
        every_s=section.every_s,
        retry_s=section.retry_s,
        clock=machine.clock,
        wall_clock=machine.wall_clock,
        exports=exports,
    )
