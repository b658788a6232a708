"""`streamlearner run`: the daemon, until a signal drains it."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from streamlearner import __version__
from streamlearner.commands.loaded_code import unmap_loaded_code
from streamlearner.commands.options import ConfigOption, LogOption, SetOption, load_config
from streamlearner.state.learning_mark import FATAL_SIGNAL
from streamlearner.telemetry.logs import LogFormat, start_logging

log = logging.getLogger(__name__)


def run(config: ConfigOption = None, set_: SetOption = None, log_format: LogOption = LogFormat.TEXT) -> None:
    """Learns from the configured stream and answers, until SIGTERM, SIGHUP or Ctrl-C; then drains."""
    numbers = ending_signals()
    for number in numbers:
        # While torch loads there is nothing to drain yet. Not sys.exit: an import, a finaliser or a callback
        # of C code that catches whatever is raised in it would swallow the end.
        signal.signal(number, lambda *_: os._exit(0))
    start_logging(log_format)
    with lasting():
        settings = load_config(config, set_)
        from streamlearner.app import build

        daemon = build(settings)
    # The last words of a crash in C code, told and counted by the next run. Open until the very end.
    words = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    faulthandler.enable(os.open(settings.state_dir / FATAL_SIGNAL, words, 0o600))

    def drain(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        daemon.stop()  # before the log: a handler that interrupts a write to stderr may fail to write
        log.info("%s: draining; once more ends at once", signal.Signals(number).name)

    for number in numbers:
        signal.signal(number, drain)
    log.info(
        "streamlearner %s: source %s, method %s, state in %s",
        __version__, settings.source.type, settings.method.name, settings.state_dir.absolute(),
    )  # fmt: skip
    daemon.run()
    log.info("drained after %d messages", daemon.state.tally.messages)


@contextmanager
def lasting() -> Iterator[None]:
    """What is made in here is never looked through for garbage, neither now nor later. Torch alone brings
    half a million objects that stay: while modules load Python looks through all of them time and again,
    0.3 s of a start of 1.9 s, and later each full collection would hold the daemon up for 0.1 s. And code
    that was only needed to load takes no memory from then on."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        unmap_loaded_code()


def ending_signals() -> list[signal.Signals]:
    """A terminal that is closed drains as well (SIGHUP), unless it is to be outlived (nohup)."""
    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers
