"""POST /v1/examples: labelled examples pushed by HTTP, answered once they are durable."""

from __future__ import annotations

from starlette.requests import Request

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.rows import MEDIA
from streamlearner.decoding.shapes import written
from streamlearner.errors import InvalidInput
from streamlearner.serving.bodies import (
    Bodies,
    ExampleBody,
    ExamplesBody,
    check,
    media_type,
    parse,
)
from streamlearner.serving.daemon_port import DaemonPort, IngestExample, IngestExamples
from streamlearner.serving.problems import Json, Problem
from streamlearner.serving.workers import Workers
from streamlearner.telemetry.metrics import Metrics

NOT_PUSH = (
    "this daemon does not learn from pushed examples: its source is another; "
    "send them there, or start it with source.type: push"
)


class Examples:
    """All or nothing: one invalid example refuses the whole body."""

    def __init__(
        self,
        *,
        daemon: DaemonPort,
        codec: Codec,
        bodies: Bodies,
        workers: Workers,
        metrics: Metrics,
        max_batch: int,
    ) -> None:
        self._daemon = daemon
        self._codec = codec
        self._bodies = bodies
        self._workers = workers
        self._metrics = metrics
        self._max_batch = max_batch

    async def push(self, request: Request) -> Json:
        """202 once every example of the body is in the local log."""
        if (media := media_type(request)) not in ("application/json", *MEDIA):
            text = f"content-type is {media[:80]!r}; expected application/json or {MEDIA[0]}"
            raise Problem(415, text)
        decode = self._decode_rows if media in MEDIA else self._decode
        body = await self._bodies.read(request)
        return await self._workers.run(lambda _: self._ingest(decode(body)), client=request)

    def _ingest(self, examples: IngestExamples) -> Json:
        receipt = self._daemon.ingest(examples)
        if receipt is None:
            raise Problem(409, NOT_PUSH, kind="source-not-push")
        self._metrics.count_pushed(accepted=receipt.accepted, duplicates=receipt.duplicates)
        content = {
            "accepted": receipt.accepted,
            "duplicates": receipt.duplicates,
            "position": receipt.position,
        }
        return Json(content, status_code=202)

    def _decode_rows(self, body: bytes) -> IngestExamples:
        return self._codec.decode_rows(body, most=self._max_batch)

    def _decode(self, body: bytes) -> IngestExamples:
        found = parse(ExamplesBody, body).examples
        if not 1 <= len(found) <= self._max_batch:
            text = f"{len(found)} examples; expected 1 to {self._max_batch} (serving.max_batch)"
            raise InvalidInput("empty" if not found else "too_large", text)
        examples: list[IngestExample] = []
        for index, value in enumerate(found):
            try:
                check(ExampleBody, value)
                example = self._codec.decode_example(value)
            except InvalidInput as error:
                raise InvalidInput(
                    error.reason, f"examples[{index}]: {error}; nothing was accepted"
                ) from None
            first = examples[0] if examples else example
            if example.input.shape != first.input.shape:  # the first push: the codec knows no schema yet
                text = f"examples[{index}]: input is {written(example.input.shape)}, but examples[0] is"
                raise InvalidInput("schema", f"{text} {written(first.input.shape)}; nothing was accepted")
            examples.append(example)
        return examples
