"""DELETE /v1/examples/{id} and /v1/examples: takes back what was learned of an example, a label or a task."""

from __future__ import annotations

from typing import Annotated

from starlette.requests import Request

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.labels import parse_label, parse_text
from streamlearner.errors import InvalidInput
from streamlearner.serving.bodies import Bodies, ErasedExample, parse, require_json
from streamlearner.serving.body_schemas import TEXT
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.labels import Joining
from streamlearner.serving.parameters import Parameter
from streamlearner.serving.problems import Json, busy
from streamlearner.serving.workers import Left, Workers


class Erasing:
    """Answers 200 once what was removed is on no disk of ours any more, 202 where only the erasure itself is
    durable by then: the log has it, and it is carried out in the order of the stream."""

    def __init__(
        self,
        *,
        daemon: DaemonPort,
        codec: Codec,
        bodies: Bodies,
        workers: Workers,
        joining: Joining | None,
        timeout_s: float,
    ) -> None:
        self._joining = joining
        self._daemon = daemon
        self._codec = codec
        self._bodies = bodies
        self._workers = workers
        self._timeout_s = timeout_s

    async def by_id(
        self,
        request: Request,
        id: Annotated[str, Parameter(json_schema_extra=TEXT)],
        source: Annotated[
            str | None, Parameter(description="of a CloudEvent: its ce_source", json_schema_extra=TEXT)
        ] = None,
    ) -> Json:
        """Erases the example of this id. The body may be the example, `{"input", "label"}`, so that its part
        in sums can be subtracted."""
        name = parse_text(id, "id")
        erasure = Erasure(id=name if source is None else f"{parse_text(source, 'id')}\n{name}")
        body = await self._bodies.read(request)
        if body:
            require_json(request)
        return await self._workers.run(
            lambda left: self._erase(self._with_example(erasure, body), left), client=request
        )

    async def by_kind(
        self,
        request: Request,
        label: Annotated[
            str | None,
            Parameter(
                description="all of this class; of several factors, as a JSON object", json_schema_extra=TEXT
            ),
        ] = None,
        task: Annotated[
            str | None, Parameter(description="all that this task named", json_schema_extra=TEXT)
        ] = None,
    ) -> Json:
        """Erases all examples of a label, or of a task."""
        if (label is None) == (task is None):
            raise InvalidInput("erase", "expected one of the parameters label and task, or /v1/examples/{id}")
        named = None if task is None else parse_text(task, "task")
        erasure = Erasure(label=None if label is None else parse_label(label), task=named)
        return await self._workers.run(lambda left: self._erase(erasure, left), client=request)

    def _with_example(self, erasure: Erasure, body: bytes) -> Erasure:
        if not body:
            return erasure
        given = parse(ErasedExample, body)
        example = self._codec.decode_example({"input": given.input, "label": given.label})
        return Erasure(id=erasure.id, input=example.input, input_label=example.label)

    def _erase(self, erasure: Erasure, left: Left) -> Json:
        kept = erasure.id is not None and self._joining is not None and self._joining.erase(erasure.id)
        try:
            found = dict(self._daemon.erase(erasure, self._timeout_s, left))
        except TimeoutError:
            raise busy(self._timeout_s) from None
        found["waiting"] += kept
        found["known"] = True if kept else found["known"]
        return Json(found, status_code=200 if found["checkpoints_renewed"] else 202)
