"""The trace of a message goes on: to the log, the dead letter and a span."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from streamlearner.app import build
from streamlearner.connectors.dead_letters import line
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon import tracing
from streamlearner.stream import Message, Reject
from streamlearner.telemetry.logs import JsonLines
from tests.support.daemon_runs import example, settings

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
OTHER = f"00-{'a' * 32}-{'b' * 16}-00"


def message(value: str | bytes | None, *, name: str = "traceparent", offset: int = 0) -> Message:
    held = value.encode() if isinstance(value, str) else value
    return Message(b"?", "t", 0, offset, headers=((name, held),))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["traceparent", "Traceparent", "ce_traceparent"])
def test_a_message_says_its_trace_in_a_header(name: str) -> None:
    assert message(PARENT, name=name).traceparent == PARENT
    assert message(f"01-{TRACE}-{SPAN}-01-more").traceparent == f"01-{TRACE}-{SPAN}-01-more"


@pytest.mark.parametrize(
    "value",
    [
        "", "x", f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        PARENT.upper(), PARENT + "\n", b"\xff", None,
    ],
)  # fmt: skip
def test_what_is_no_trace_is_none(value: Any) -> None:
    assert message(value).traceparent is None


def test_a_dead_letter_has_the_trace_of_its_message() -> None:
    assert line(Reject(message(PARENT), "json", "d"), 100)["traceparent"] == PARENT
    assert "traceparent" not in line(Reject(message("x"), "json", "d"), 100)


def test_a_line_of_the_log_says_what_was_rejected_of_which_trace(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tracing.tell_traced(
            [Reject(message(PARENT, offset=5), "json", "d"), Reject(message("x"), "json", "d")]
        )
    (record,) = caplog.records
    assert record.getMessage() == f"rejected t[0]@5 (json), trace {TRACE}"
    fields = json.loads(JsonLines().format(record))
    assert (fields["trace_id"], fields["span_id"]) == (TRACE, SPAN)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def traced(message: Message, parent: str) -> Message:
    headers = (*message.headers, ("traceparent", parent.encode()))
    return Message(message.value, message.topic, message.partition, message.offset, headers=headers)


def test_a_batch_is_a_span_with_links_to_the_traces_of_its_messages(
    tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    messages = [example(n) for n in range(39)] + [message(OTHER, offset=39)]
    messages[3] = traced(messages[3], PARENT)
    source = MemorySource(messages, finite=True)
    named = {"daemon__at_end": "exit", "daemon__batch_size": 20, "method__name": "finetune"}
    build(settings(tmp_path, **named), source=source).run()
    found = spans.get_finished_spans()
    assert [span.name for span in found] == ["learn", "learn"]
    linked = [[f"{link.context.trace_id:032x}" for link in span.links] for span in found]
    assert linked == [[TRACE], [OTHER[3:35]]]
    assert [(event.name, event.attributes["reason"]) for event in found[1].events] == [
        ("rejected", "headers")
    ]
    assert found[1].attributes["streamlearner.rejected"] == 1


def test_without_opentelemetry_there_is_no_span(
    tmp_path: Path, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_INSTALLED", False)
    source = MemorySource([traced(example(n), PARENT) for n in range(20)], finite=True)
    daemon = build(settings(tmp_path, daemon__at_end="exit", method__name="finetune"), source=source)
    daemon.run()
    assert (spans.get_finished_spans(), daemon.status()["messages"]) == ((), 20)
