"""Traces that messages are a part of, in the log and in spans of OpenTelemetry.

Spans are made where its API is installed (extra `tracing`) and go where the process was told to send them,
for example by `opentelemetry-instrument`; without that they cost next to nothing.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, Final

from streamlearner.daemon.taken import TakenBatch
from streamlearner.stream import Reject
from streamlearner.version import __version__

log = logging.getLogger(__name__)

MOST_LINKS: Final = 128
"""Of one span, as OpenTelemetry's own default is; and lines of the log for one batch."""
_INSTALLED: Final = importlib.util.find_spec("opentelemetry") is not None


@cache
def _api() -> Any:
    """`opentelemetry.trace`, imported for the first message that is a part of a trace; None without it."""
    with suppress(ImportError):
        importlib.import_module("opentelemetry.trace.propagation.tracecontext")
        return importlib.import_module("opentelemetry.trace")
    return None


def tell_traced(rejects: Sequence[Reject]) -> None:
    """A line for each reject that is a part of a trace, with the trace in fields of its own."""
    for reject in rejects[:MOST_LINKS]:
        if (traceparent := reject.message.traceparent) is not None:
            _, trace, span, *_ = traceparent.split("-")
            log.warning(
                "rejected %s (%s), trace %s", reject.message.where(), reject.reason, trace,
                extra={"trace_id": trace, "span_id": span},
            )  # fmt: skip


def in_span(taken: TakenBatch, learn: Callable[[TakenBatch], None]) -> None:
    """Learns a batch within a span that is linked to the traces of its messages; without one where it has
    none."""
    links = _links(taken) if _INSTALLED else []
    if not links:
        return learn(taken)
    attributes = {
        "messaging.operation.type": "process",
        "messaging.batch.message_count": taken.messages,
        "streamlearner.examples": len(taken.batch),
        "streamlearner.rejected": len(taken.refused),
    }
    api = _api()
    tracer = api.get_tracer("streamlearner", __version__)
    kind = api.SpanKind.CONSUMER
    with tracer.start_as_current_span("learn", kind=kind, links=links, attributes=attributes) as span:
        for reject in taken.refused[:MOST_LINKS]:
            span.add_event("rejected", {"message": reject.message.where(), "reason": reject.reason})
        learn(taken)


def _links(taken: TakenBatch) -> list[Any]:
    """To the traces of what is learned, and of what was rejected."""
    messages = [*taken.batch.messages, *(reject.message for reject in taken.refused)]
    found = dict.fromkeys(filter(None, (message.traceparent for message in messages)))
    if not found or (api := _api()) is None:
        return []
    read = api.propagation.tracecontext.TraceContextTextMapPropagator()
    spans = [api.get_current_span(read.extract({"traceparent": each})) for each in list(found)[:MOST_LINKS]]
    return [api.Link(span.get_span_context()) for span in spans]
