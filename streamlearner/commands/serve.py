"""`streamlearner serve`: a replica, which answers by the versions that a daemon publishes."""

from __future__ import annotations

import logging
import signal
from typing import Annotated, Any

import typer

from streamlearner import __version__
from streamlearner.commands.options import ConfigOption, LogOption, SetOption, load_config
from streamlearner.commands.run import ending_signals, lasting
from streamlearner.telemetry.logs import LogFormat, start_logging

log = logging.getLogger(__name__)

FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        "-f",
        metavar="FOLDER|URL",
        help="A state folder, a folder of exported versions, or a URL of one (as fsspec reads it).",
    ),
]
EveryOption = Annotated[float, typer.Option(min=0.05, help="Seconds between looks for another version.")]


def serve(
    from_: FromOption,
    every_s: EveryOption = 1.0,
    config: ConfigOption = None,
    set_: SetOption = None,
    log_format: LogOption = LogFormat.TEXT,
) -> None:
    """Answers as a daemon does, by the versions that one publishes, and learns nothing.

    As many as you want may follow one daemon, whose export.formats must name some. Give each the daemon's
    configuration, of which serving, codec and eye count, and a port of its own (-s serving.port=8081).
    """
    start_logging(log_format)
    with lasting():
        settings = load_config(config, set_)
        from streamlearner.app.replica import build_replica

        replica = build_replica(settings, where=from_, every_s=every_s)

    def end(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        replica.stop()

    for number in ending_signals():
        signal.signal(number, end)
    log.info("streamlearner %s: replica of %s", __version__, from_)
    replica.run()
