"""The lines of a library that is in trouble: few, and none of them an error of the daemon."""

from __future__ import annotations

import logging

import pytest

from streamlearner.telemetry.chatter import QUIET_S, Chatter, ThinnedHandler


class Heard:
    """What is written of lines, by a clock that shows what it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.chatter = Chatter("kafka", clock=lambda: self.now_s)

    def say(self, text: str, *words: object, name: str = "kafka.net", level: int = logging.ERROR) -> str:
        """Empty where nothing is written."""
        record = logging.LogRecord(name, level, "net.py", 1, text, words, None)
        shown = self.chatter.shown(record)
        assert (record.levelno, record.args) == (level, words), "what others see is as it was"
        return f"{shown.levelname} {shown.getMessage()}" if shown else ""


def test_a_minute_without_a_broker_is_a_few_lines_and_no_error() -> None:
    heard, lines = Heard(), []
    for tenth in range(600):
        heard.now_s = tenth / 10
        lines += [
            heard.say("Connection failed: %s: %d ECONNREFUSED", "KafkaConnectionError", tenth),
            heard.say(f"<KafkaConnection node_id={tenth} (disconnected)>: Connection lost"),
        ]
    shown = [line for line in lines if line]
    assert len(shown) == 2 and all(line.startswith("WARNING kafka: ") for line in shown)
    heard.now_s = 600 / 10 + QUIET_S
    assert heard.say("Connection failed: KafkaConnectionError: 111 ECONNREFUSED").endswith(
        "ECONNREFUSED (599 more like it were left out)"
    )


def test_what_is_new_is_shown_at_once() -> None:
    heard = Heard()
    assert heard.say("Connection failed")
    assert heard.say("Authentication failed", level=logging.WARNING) == "WARNING kafka: Authentication failed"


def test_a_busy_machine_is_no_news() -> None:
    said = Heard().say("Task %r ran for %.3fs (>%.3fs threshold).", "x", 0.15, 0.1, level=logging.WARNING)
    assert said == ""


@pytest.mark.parametrize("name", ["streamlearner.daemon", "uvicorn.error", "kafkaesque", "py.warnings"])
def test_the_lines_of_others_are_as_they_were(name: str) -> None:
    heard = Heard()
    assert [heard.say("failed", name=name) for _ in range(3)] == ["ERROR failed"] * 3


def test_a_lost_connection_has_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    handler = ThinnedHandler(Chatter("kafka"))
    failure = (OSError, OSError("reset by peer"), None)
    handler.handle(logging.LogRecord("kafka.net", logging.ERROR, "net.py", 1, "closing socket", (), failure))
    assert capsys.readouterr().err == "kafka: closing socket\n"
