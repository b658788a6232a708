"""Assembles a Daemon from a Config."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from prometheus_client import CollectorRegistry

from streamlearner import __version__
from streamlearner.app.allocator import keep_freed_memory
from streamlearner.app.learning import check_method, make_learner
from streamlearner.app.outside import ingest, make_dead_letters, make_source, push_log
from streamlearner.app.parts import check_network
from streamlearner.config.given import Settings, load_config
from streamlearner.config.loading import Config
from streamlearner.connectors.dead_letters import DeadLetters
from streamlearner.daemon.events import Reporter
from streamlearner.daemon.intake import Intake
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.persistence import Archive
from streamlearner.daemon.requests import Reception
from streamlearner.daemon.sleep_schedule import SleepSchedule
from streamlearner.decoding.codec import REASONS, Codec
from streamlearner.decoding.inputs import Limits
from streamlearner.errors import ConfigError
from streamlearner.serving import Serving
from streamlearner.state.checkpoint import CheckpointStore
from streamlearner.state.versions import Versions
from streamlearner.stream import Source
from streamlearner.telemetry.metrics import Metrics


def build(config: Settings = None, *, source: Source | None = None) -> Daemon:
    """The whole daemon, not yet running: `run` learns and answers until `stop`, or to the stream's end where
    `daemon.at_end` is exit.

    `config` is what `load_config` takes. `source` replaces the configured one: any `Source`, yours or a
    `MemorySource`. Raises `ConfigError` for settings that cannot be used, alone or together.

    A daemon is meant to have its process to itself: `build` sets the number of torch's threads (`threads`)
    and lets the C library keep freed memory. Only one process, and one daemon in it, may use a `state_dir`.

    >>> import tempfile
    >>> import numpy as np
    >>> from streamlearner import Learner, MemorySource, Message, build, encode
    >>> messages = []
    >>> for number in range(60):
    ...     image = np.full((8, 8), 20 + 200 * (number % 2), dtype=np.uint8)
    ...     value, headers = encode(image, label=["dark", "light"][number % 2])
    ...     messages.append(Message(value, topic="pictures", partition=0, offset=number, headers=headers))
    >>> folder = tempfile.TemporaryDirectory()
    >>> config = {"state_dir": folder.name, "serving.port": 0, "daemon.at_end": "exit", "threads": 1}
    >>> daemon = build(config, source=MemorySource(messages))
    >>> daemon.run()
    >>> Learner.load(folder.name, config=config).predict_one(np.full((8, 8), 220))
    'light'
    >>> folder.cleanup()
    """
    config = load_config(config)
    keep_freed_memory()
    torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 2) - 1))
    config.state_dir.mkdir(parents=True, exist_ok=True)
    check_network(config, fetch=True)  # inputs, and with them the network, may come an hour later
    check_method(config)
    log = push_log(config) if source is None and config.source.type == "push" else None
    source = source or make_source(config, log=log)
    dead_letters = make_dead_letters(config)
    codec = Codec(limits=Limits(message_bytes=config.codec.max_message_bytes, pixels=config.codec.max_pixels))
    schedule = make_schedule(config)
    versions = Versions(config.state_dir / "versions", keep=config.checkpoint.keep_versions)
    metrics = Metrics(CollectorRegistry(), version=__version__, reject_reasons=REASONS)
    reception = Reception(
        ingest=(lambda examples: ingest(log, examples)) if log else None,
        request_sleep=schedule.request,
        kept_versions=versions.numbers,
        budget_bits=config.memory.budget_bits,
        clock=time.monotonic,
    )
    return Daemon(
        source=source,
        intake=make_intake(config, source=source, codec=codec, dead_letters=dead_letters),
        make_learner=lambda schema: make_learner(config, schema=schema),
        schedule=schedule,
        archive=make_archive(
            config, source=source, versions=versions, dead_letters=dead_letters, metrics=metrics
        ),
        serving=make_serving(config, reception=reception, metrics=metrics, codec=codec),
        reception=reception,
        reporter=Reporter(metrics=metrics, clock=time.monotonic, wall_clock=time.time),
        steps_per_batch=config.sleep.steps_per_batch,
        grade_every_examples=config.evaluation.every_examples,
        poll_timeout_s=config.daemon.poll_timeout_s,
        stop_at_end=config.daemon.at_end == "exit",
        clock=time.monotonic,
        sleep=time.sleep,
    )


def make_checkpoints(config: Config, *, folder: Path) -> CheckpointStore:
    """Those of the state folder `folder`."""
    return CheckpointStore(
        folder / "checkpoints", keep=config.checkpoint.keep, clock=time.time, code_version=__version__
    )


def make_archive(
    config: Config, *, source: Source, versions: Versions, dead_letters: DeadLetters, metrics: Metrics
) -> Archive:
    section = config.checkpoint
    return Archive(
        checkpoints=make_checkpoints(config, folder=config.state_dir),
        versions=versions,
        dead_letters=dead_letters,
        source=source,
        metrics=metrics,
        method=config.method.name,
        config_digest=config.digest(),
        every_examples=section.every_examples,
        every_s=section.every_s,
        retry_s=section.retry_s,
        clock=time.monotonic,
        wall_clock=time.time,
    )


def make_intake(config: Config, *, source: Source, codec: Codec, dead_letters: DeadLetters) -> Intake:
    return Intake(
        source=source,
        codec=codec,
        dead_letters=dead_letters,
        batch_size=config.daemon.batch_size,
        linger_s=config.daemon.linger_s,
        remembered_ids=config.codec.remembered_ids,
        clock=time.monotonic,
    )


def make_schedule(config: Config) -> SleepSchedule:
    section = config.sleep
    try:
        return SleepSchedule(
            every_examples=section.every_examples,
            every_s=section.every_s,
            cron=section.cron,
            on_memory_full=section.on_memory_full,
            drift=section.drift,
            min_examples=section.min_examples,
            clock=time.time,
        )
    except ValueError as error:
        raise ConfigError(f"sleep: {error}") from None


def make_serving(config: Config, *, reception: Reception, metrics: Metrics, codec: Codec) -> Serving:
    section = config.serving
    return Serving(
        host=section.host,
        port=section.port,
        reception=reception,
        metrics=metrics,
        codec=codec,
        token=section.token,
        max_body_bytes=section.max_body_bytes,
        max_batch=section.max_batch,
        refresh_every_examples=section.refresh_every_examples,
    )
