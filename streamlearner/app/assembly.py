"""Assembles a Daemon from a Config."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

from prometheus_client import CollectorRegistry

from streamlearner.app.access import make_token, tell_access
from streamlearner.app.allocator import keep_freed_memory
from streamlearner.app.codec import make_codec
from streamlearner.app.cores import use_threads
from streamlearner.app.exports import make_exports
from streamlearner.app.intake import make_failures, make_intake
from streamlearner.app.labels import with_labels
from streamlearner.app.learning import check_method, make_learner
from streamlearner.app.machine import THIS_MACHINE, Machine
from streamlearner.app.outside import (
    ingest,
    log_erasure,
    make_dead_letters,
    make_source,
    push_log,
)
from streamlearner.app.parts import check_device, check_network, make_eye
from streamlearner.app.persistence import make_persistence
from streamlearner.app.serving import make_history, make_serving
from streamlearner.config.given import Settings, load_config
from streamlearner.config.loading import Config
from streamlearner.connectors.dead_letters import DeadLetters
from streamlearner.connectors.push import PushLog
from streamlearner.daemon.events import Events
from streamlearner.daemon.last_rejects import LastRejects
from streamlearner.daemon.loop import Daemon
from streamlearner.daemon.marks import MarkWriter, no_mark
from streamlearner.daemon.persistence import Persistence
from streamlearner.daemon.requests import Requests
from streamlearner.daemon.sleep_schedule import SleepSchedule
from streamlearner.daemon.state import DaemonState
from streamlearner.decoding.codec import REASONS, Codec
from streamlearner.errors import ConfigError
from streamlearner.eyes.eye import Eye
from streamlearner.serving import Serving
from streamlearner.state.lock import StateLock
from streamlearner.state.private import make_private, private_files
from streamlearner.stream import Source
from streamlearner.telemetry.metrics import Metrics
from streamlearner.version import __version__


def build(config: Settings = None, *, source: Source | None = None) -> Daemon:
    """The whole daemon, not yet running: `run` learns and answers until `stop`, or to the stream's end where
    `daemon.at_end` is exit.

    `config` is what `load_config` takes. `source` replaces the configured one: any `Source`, yours or a
    `MemorySource`. Raises `ConfigError` for settings that cannot be used, alone or together.

    From here to `close`, with which `run` ends, the daemon has its `state_dir` to itself: `StateInUse` where
    another one has it, in this process or another. It is meant to have its process to itself, too: `build`
    sets the number of threads of torch (`threads`) and numpy (one), lets the C library keep freed memory.

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
    >>> daemon.status()["messages"]
    60
    >>> Learner.load(folder.name).predict_one(np.full((8, 8), 220))
    'light'
    >>> folder.cleanup()
    """
    config = load_config(config)
    with ExitStack() as opened:
        opened.enter_context(private_files())
        opened.enter_context(StateLock(config.state_dir))
        make_private(config.state_dir)
        make_token(config)
        tell_access(config)
        keep_freed_memory()
        use_threads(config.threads)
        check_device(config)
        check_network(config, fetch=True)  # inputs, and with them the network, may come an hour later
        check_method(config)
        return _open_and_assemble(config, source=source, eye=make_eye(config), opened=opened)


def _open_and_assemble(
    config: Config, *, source: Source | None, eye: Eye | None, opened: ExitStack
) -> Daemon:
    """Whatever is opened here is pushed to `opened`, which passes it to the daemon in the end."""
    configured = source is None
    log = opened.enter_context(push_log(config)) if configured and config.source.type == "push" else None
    source = source or opened.enter_context(closing(make_source(config, log=log)))
    dead_letters = opened.enter_context(closing(make_dead_letters(config)))
    later = None
    if configured:
        source, later = with_labels(config, source, log=log, opened=opened)
    history = make_history(config, opened=opened)
    return assemble(
        config,
        source=source,
        dead_letters=dead_letters,
        log=log,
        eye=eye,
        mark=history.mark if history else no_mark,
        serve=partial(make_serving, later=later, history=history),
        resources=opened,
    )


def assemble(
    config: Config,
    *,
    source: Source,
    dead_letters: DeadLetters,
    log: PushLog | None = None,
    eye: Eye | None = None,
    machine: Machine = THIS_MACHINE,
    metrics: Metrics | None = None,
    mark: MarkWriter = no_mark,
    serve: Callable[..., Serving] | None = None,
    resources: ExitStack,
) -> Daemon:
    """The daemon of what is open already. `resources` passes to it. A simulation gives another `machine`, and
    `serve` in place of `make_serving`."""
    codec = make_codec(config, machine=machine)
    metrics = metrics or Metrics(CollectorRegistry(), version=__version__, reject_reasons=REASONS)
    events = Events(metrics=metrics, clock=machine.clock, wall_clock=machine.wall_clock, mark=mark)
    rejects = LastRejects(dead_letters, now_s=machine.wall_clock)
    state = _make_state(
        config, source=source, codec=codec, rejects=rejects, events=events, eye=eye, machine=machine,
        resources=resources,
    )  # fmt: skip
    persistence = make_persistence(
        config, source=source, dead_letters=dead_letters, metrics=metrics, machine=machine,
        exports=make_exports(config, metrics=metrics, resources=resources),
    )  # fmt: skip
    resources.callback(persistence.close)
    requests = _make_requests(state, persistence, log=log, rejects=rejects, machine=machine)
    serving = (serve or make_serving)(config, requests=requests, metrics=metrics, codec=codec)
    return Daemon(
        state=state, persistence=persistence, serving=serving, requests=requests,
        steps_per_batch=config.sleep.steps_per_batch,
        evaluate_every_examples=config.evaluation.every_examples,
        budget_bits=config.memory.budget_bits, poll_timeout_s=config.daemon.poll_timeout_s,
        stop_at_end=config.daemon.at_end == "exit", clock=machine.clock, sleep=machine.sleep,
        resources=resources.pop_all(),
    )  # fmt: skip


def _make_state(
    config: Config,
    *,
    source: Source,
    codec: Codec,
    rejects: LastRejects,
    events: Events,
    eye: Eye | None,
    machine: Machine,
    resources: ExitStack,
) -> DaemonState:
    """What the loop works on, from the source to the learner, which the first valid example makes."""
    failures = make_failures(config, resources=resources, machine=machine)
    intake = make_intake(
        config, source=source, codec=codec, dead_letters=rejects, failures=failures, eye=eye,
        resources=resources, machine=machine,
    )  # fmt: skip
    return DaemonState(
        intake=intake,
        failures=failures,
        schedule=make_schedule(config, machine=machine),
        events=events,
        learner_factory=lambda schema: make_learner(config, schema=schema, eye=eye),
    )


def _make_requests(
    state: DaemonState,
    persistence: Persistence,
    *,
    log: PushLog | None,
    rejects: LastRejects,
    machine: Machine,
) -> Requests:
    """What other threads ask of the learning thread; what is pushed goes to `log`."""
    return Requests(
        ingest=(lambda examples: ingest(log, examples)) if log else None,
        log_erasure=(lambda erasure: log_erasure(log, erasure)) if log else None,
        request_sleep=state.schedule.request,
        kept_versions=persistence.versions.numbers,
        last_rejects=rejects.document,
        clock=machine.clock,
    )


def make_schedule(config: Config, *, machine: Machine = THIS_MACHINE) -> SleepSchedule:
    section = config.sleep
    try:
        return SleepSchedule(
            every_examples=section.every_examples,
            first_examples=section.first_examples,
            every_s=section.every_s,
            cron=section.cron,
            on_memory_full=section.on_memory_full,
            drift=section.drift,
            on_drift=section.on_drift,
            min_examples=section.min_examples,
            clock=machine.wall_clock,
        )
    except ValueError as error:
        raise ConfigError(f"sleep: {error}") from None
