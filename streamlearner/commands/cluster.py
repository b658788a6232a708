"""`streamlearner cluster`: learners, one consolidator and replicas on Ray."""

from __future__ import annotations

import json
import logging
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from streamlearner.commands.options import ConfigOption, LogOption, SetOption, load_config, settings_of
from streamlearner.errors import ConfigError
from streamlearner.telemetry.logs import LogFormat, start_logging

log = logging.getLogger(__name__)

cluster = typer.Typer(
    no_args_is_help=True, help="Shares a topic's partitions between several learners, on Ray."
)
LOOK_EVERY_S = 1.0
FromOption = Annotated[
    Path | None, typer.Option("--from", help="A daemon's state folder: the cluster goes on where it ended.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@cluster.command()
def run(
    config: ConfigOption = None,
    set_: SetOption = None,
    from_: FromOption = None,
    log_format: LogOption = LogFormat.TEXT,
) -> None:
    """Runs the learners, the consolidator and the replicas, on the Ray cluster at RAY_ADDRESS or on this
    machine, until SIGTERM or Ctrl-C; then drains."""
    start_logging(log_format)
    settings = load_config(config, set_)
    from streamlearner.app.cluster_setup import make_setup
    from streamlearner.app.daemon_partitions import daemon_partitions
    from streamlearner.cluster.engine import Engine
    from streamlearner.cluster.store_at import store_at
    from streamlearner.cluster.take_in import take_in

    path, chosen = settings_of(config, set_)
    setup, stopping = make_setup(settings, path=path, settings=chosen), threading.Event()
    if from_ is not None:
        take_in(store_at(setup.store), lambda: daemon_partitions(settings, from_), holder=str(from_))
    engine = Engine(setup)
    engine.start()
    for number in (signal.SIGTERM, signal.SIGINT):  # Ray has set its own, which abort, while it started
        signal.signal(number, lambda *_: stopping.set())
    log.info("the cluster runs: `streamlearner cluster status` shows it")
    try:
        while not stopping.wait(LOOK_EVERY_S):
            engine.follow()
            engine.publish()
    finally:
        log.info("draining")
        engine.stop()


@cluster.command()
def status(config: ConfigOption = None, set_: SetOption = None, as_json: AsJson = False) -> None:
    """Shows every learner's partitions, lag, speed and bits, and the version that each replica answers with;
    from the store alone."""
    from streamlearner.cluster.status import status_document, table

    document = status_document(_store(config, set_))
    typer.echo(json.dumps(document, indent=2) if as_json else table(document))


@cluster.command()
def scale(
    learners: Annotated[int, typer.Option(min=1, help="As many learners from now on.")],
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Changes the number of learners while the cluster runs; partitions move with all that was learned of
    them."""
    from streamlearner.cluster.layout import WANTED

    _store(config, set_).replace(WANTED, {"learners": learners})
    typer.echo(f"{learners} learners are wanted")


def _store(config: Path | None, set_: list[str] | None) -> Any:
    from streamlearner.cluster.store_at import store_at

    where = load_config(config, set_).cluster.store
    if "://" not in where and not Path(where).is_dir():
        raise ConfigError(f"cluster.store: there is no folder {where}; `streamlearner cluster run` makes it")
    return store_at(where)
