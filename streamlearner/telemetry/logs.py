"""Logging on stderr, as text or as JSON, and the last line of a process that fails."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from enum import StrEnum

from streamlearner.errors import StreamlearnerError
from streamlearner.telemetry.chatter import Chatter, ThinnedHandler

log = logging.getLogger(__name__)


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and where there are such, the trace that a
    message is a part of and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {name: getattr(record, name) for name in ("trace_id", "span_id") if hasattr(record, name)}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def start_logging(style: LogFormat) -> None:
    """Logs go to stderr: ours from level INFO on, those of libraries from WARNING on (`chatter.Chatter`)."""
    handler = ThinnedHandler(Chatter("kafka"))
    readable = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    handler.setFormatter(JsonLines() if style is LogFormat.JSON else readable)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("streamlearner").setLevel(logging.INFO)


def print_error(error: StreamlearnerError) -> None:
    """One line on stderr; where logs are JSON, a JSON line: whatever parses them parses nothing else."""
    if _writes_json():
        log.error("%s", error)
        return
    from rich.console import Console  # 50 ms that only those pay who fail
    from rich.text import Text

    text = Text("error: ", style="bold red").append(str(error), style="not bold default")
    Console(stderr=True).print(text, soft_wrap=True)


def log_crash(error: Exception) -> None:
    """An unexpected exception: one line that calls it a bug, and the traceback."""
    if not logging.getLogger().handlers:
        start_logging(LogFormat.TEXT)
    kind, text = type(error).__name__, str(error).partition("\n")[0]
    log.critical("crashed, which is a bug: %s: %s", kind, text, exc_info=error)
    sys.stderr.flush()


def _writes_json() -> bool:
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)
