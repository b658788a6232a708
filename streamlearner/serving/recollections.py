"""GET /v1/recollections: what the memory would show when asked for each class."""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from starlette.requests import Request
from starlette.responses import Response
from torch import Tensor

from streamlearner.decoding.labels import ClassName, class_text, in_json
from streamlearner.decoding.shapes import written
from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.parameters import Parameter
from streamlearner.serving.problems import Json, Problem, busy
from streamlearner.serving.workers import Left, Workers

ONE_CLASS = "only this class, by its name in /v1/retention, or as JSON"


class Recollections:
    """Read by the learning thread between two batches, and decoded by the thread that asked for them, for
    which learning does not wait."""

    def __init__(self, *, daemon: DaemonPort, workers: Workers, timeout_s: float) -> None:
        self._daemon = daemon
        self._workers = workers
        self._timeout_s = timeout_s

    async def show(
        self,
        request: Request,
        per_class: Annotated[
            int, Parameter(ge=1, le=64, description="recollections of each class, at most")
        ] = 8,
        label: Annotated[str | None, Parameter(description=ONE_CLASS)] = None,
        form: Annotated[
            Literal["json", "lists", "png"] | None,
            Parameter(
                alias="format", description="json: base64, as predict takes it; lists: nested; png: a sheet"
            ),
        ] = None,
    ) -> Response:
        """Inputs decoded from the recollection memory, by class, as JSON or as one picture."""
        if form is None:
            form = "png" if request.headers.get("accept", "").startswith("image/") else "json"
        return await self._workers.run(
            lambda left: self._answer(form, per_class=per_class, label=label, left=left), client=request
        )

    def _answer(self, form: str, *, per_class: int, label: str | None, left: Left) -> Response:
        try:
            found = self._daemon.recollections(per_class, self._timeout_s, left)
        except TimeoutError:
            raise busy(self._timeout_s) from None
        if label is not None:
            found = [(name, inputs) for name, inputs in found if label in (str(name), class_text(name))]
            if not found:
                raise Problem(404, f"no recollections of a class {label[:80]!r}", kind="unknown-class")
        if form == "png":
            return _picture(found, columns=per_class)
        encode = _nested if form == "lists" else as_base64
        classes = [
            {"label": in_json(name), "inputs": [encode(one) for one in inputs]} for name, inputs in found
        ]
        return Json({"recollections": classes})


def _picture(found: list[tuple[ClassName, Tensor]], *, columns: int) -> Response:
    if not found:
        raise Problem(404, "no recollections: nothing was learned yet, or this method remembers no inputs")
    if found[0][1].dim() != 4:
        text = "these recollections are feature vectors, not images; ask for format=json"
        raise Problem(409, text, kind="not-images")
    from streamlearner.serving.sheet import draw_sheet  # and with it Pillow and its fonts

    return Response(draw_sheet(found, columns=columns), media_type="image/png")


def _as_written(one: Tensor) -> Tensor:
    """[C, H, W] to [H, W, C], or [H, W] of one channel, as shapes are told everywhere; [d] stays."""
    shape = written(one.shape)
    return (one.permute(1, 2, 0) if one.dim() == 3 else one).contiguous().reshape(shape)


def as_base64(one: Tensor) -> dict[str, Any]:
    array = _as_written(one).numpy()
    encoded = base64.b64encode(array.tobytes()).decode("ascii")
    return {"b64": encoded, "shape": list(array.shape), "dtype": str(array.dtype)}


def _nested(one: Tensor) -> Any:
    return _as_written(one).tolist()
