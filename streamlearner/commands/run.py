"""`streamlearner run`: the daemon, until a signal drains it."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Any

from streamlearner import __version__
from streamlearner.commands.options import ConfigOption, LogOption, SetOption, load_config
from streamlearner.telemetry.logs import LogFormat, start_logging

log = logging.getLogger(__name__)


def run(config: ConfigOption = None, set_: SetOption = None, log_format: LogOption = LogFormat.TEXT) -> None:
    """Learns from the configured stream and answers, until SIGTERM or Ctrl-C; then drains."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # while torch loads there is nothing to drain yet
    start_logging(log_format)
    settings = load_config(config, set_)
    from streamlearner import app as assembly

    daemon = assembly.build(settings)

    def drain(number: int, _: Any) -> None:
        log.info("%s: draining; once more ends at once", signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, drain)
    log.info(
        "streamlearner %s: source %s, method %s, state in %s, serving on http://%s:%d",
        __version__, settings.source.type, settings.method.name, settings.state_dir.absolute(),
        settings.serving.host, settings.serving.port,
    )  # fmt: skip
    daemon.run()
    log.info("drained after %d messages", daemon.state.tally.messages)
