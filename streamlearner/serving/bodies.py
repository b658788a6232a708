"""Request bodies: read within limits, parsed, and validated by the models below."""

from __future__ import annotations

import asyncio
import contextlib
from codecs import BOM_UTF8
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import from_json
from starlette.requests import ClientDisconnect, Request

from streamlearner.decoding.labels import whole
from streamlearner.errors import InvalidInput
from streamlearner.registry.networks import NETWORKS
from streamlearner.serving.body_problems import described, keys_of
from streamlearner.serving.body_schemas import AN_INPUT, INPUT, INPUTS, LABEL, MARK, NAME, JsonSchema
from streamlearner.serving.compressed import coding, inflated
from streamlearner.serving.problems import Problem

NOT_JSON = "NaN and Infinity are none; a missing number is null, where codec.missing_values allows any"
_DRAINED_BYTES = 4 * 2**20
"""So much of a body too large is read and dropped: a client that is still writing would see a reset instead
of the 413."""
_DRAIN_TIMEOUT_S = 2.0


class Body(BaseModel):
    """A JSON object; unknown keys are errors. `example` is what a description shows."""

    model_config = ConfigDict(extra="forbid", strict=True)
    example: ClassVar[dict[str, Any]] = {}


class PredictBody(Body):
    example: ClassVar = {"inputs": [AN_INPUT]}
    inputs: Annotated[list[Any], WithJsonSchema(INPUTS)] = Field(
        description='nested numbers, {"b64", "shape", "dtype"} or {"image": base64 of PNG, JPEG, WebP, TIFF}'
    )
    task: Annotated[str | int | None, BeforeValidator(whole), WithJsonSchema(NAME)] = Field(
        None,
        description="restricts the answer to the classes seen with it, or to the factor of that name; "
        "an unknown task counts as none",
    )
    returns: list[Literal["probabilities"]] = Field(
        default_factory=list, alias="return", description="probabilities: of every class, in each prediction"
    )


class ExampleBody(Body):
    example: ClassVar = {"input": AN_INPUT, "label": "cat", "id": "photo-17"}
    input: Annotated[Any, WithJsonSchema(INPUT)] = Field(description="as in predict")
    label: Annotated[Any, WithJsonSchema(LABEL)] = Field(
        description="a string, an integer, or an object of factors, each with one of these"
    )
    task: Annotated[str | int | None, BeforeValidator(whole), WithJsonSchema(NAME)] = None
    id: Annotated[str | int | None, BeforeValidator(whole), WithJsonSchema(NAME)] = Field(
        None, description="one that was accepted before is a duplicate and learned once"
    )


def _examples() -> JsonSchema:
    return {"type": "array", "minItems": 1, "items": {MARK: "ExampleBody"}, MARK: "batch"}


class ExamplesBody(Body):
    example: ClassVar = {"examples": [ExampleBody.example]}
    examples: Annotated[list[Any], WithJsonSchema(_examples())] = Field(
        description="labelled examples; one invalid example refuses them all"
    )


class LabelBody(Body):
    example: ClassVar = {"prediction_id": "6b1f0c9d2a7e-17", "label": "cat"}
    prediction_id: str = Field(description="of one input, as the prediction's answer has it")
    label: Annotated[Any, WithJsonSchema(LABEL)] = Field(description="as in examples")


class ErasedExample(Body):
    input: Annotated[Any, WithJsonSchema(INPUT)] = Field(
        description="of the example that is erased, as it was sent"
    )
    label: Annotated[Any, WithJsonSchema(LABEL)] = Field(description="its label")


class RollbackBody(Body):
    example: ClassVar = {"version": 3}
    version: Annotated[str | int | None, BeforeValidator(whole)] = Field(
        None, description="an adopted model version; null for the one before"
    )


class TransplantBody(Body):
    example: ClassVar = {"to": "lenet"}
    to: Annotated[str, WithJsonSchema({"enum": NETWORKS.names()})] = Field(
        description="the network that is to take over, as in network.name; also an image classifier of "
        "torchvision, by its name there"
    )
    steps: Annotated[int | None, BeforeValidator(whole)] = Field(
        None, ge=1, description="optimiser steps of teaching; null: the usual number"
    )


class RetrainBody(Body):
    example: ClassVar = {"steps": 2000}
    steps: Annotated[int | None, BeforeValidator(whole)] = Field(
        None, ge=1, description="optimiser steps of teaching; null: the usual number"
    )


class NoBody(Body):
    """Nothing, or an empty object."""


AnyBody = TypeVar("AnyBody", bound=Body)


class Bodies:
    """Reads bodies of at most `max_bytes`; the whole must have arrived within `timeout_s`."""

    def __init__(self, *, max_bytes: int, timeout_s: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def read(self, request: Request) -> bytes:
        """The body, inflated. One too large is refused by its Content-Length, unread, or once too many bytes
        came.

        Raises `Problem`: 413 too large, 408 too slow, 415 for a coding that is not read, 400 for a client
        that went away.
        """
        compressed = coding(request.headers.get("content-encoding", ""))
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(request)
        except TimeoutError:
            text = f"the body did not arrive within {self._timeout_s:g} s"
            raise Problem(408, text, headers={"Connection": "close"}) from None
        except ClientDisconnect:
            raise Problem(400, "the client closed the connection before its body was complete") from None
        if compressed is None or not body:
            return body
        return await asyncio.to_thread(inflated, body, compressed, max_bytes=self._max_bytes)

    async def _read(self, request: Request) -> bytes:
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and (len(stated) > 18 or int(stated) > self._max_bytes):
            await self._refuse(request, f"the body has {stated[:20]} bytes")
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            chunks.append(chunk)
            size += len(chunk)
            if size > self._max_bytes:
                await self._refuse(request, f"the body has {size} bytes or more")
        return b"".join(chunks)

    async def _refuse(self, request: Request, found: str) -> None:
        """Raises the 413, after reading some of the rest: a client that gets a reset reads no answer."""
        dropped = 0
        if request.headers.get("expect", "").lower() != "100-continue":
            with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
                async with asyncio.timeout(_DRAIN_TIMEOUT_S):
                    async for chunk in request.stream():
                        dropped += len(chunk)
                        if dropped > _DRAINED_BYTES:
                            break
        text = f"{found}; expected at most {self._max_bytes} (serving.max_body_bytes)"
        raise Problem(413, text, headers={"Connection": "close"})


def media_type(request: Request) -> str:
    """The content type without its parameters; JSON where the client states none."""
    return request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Raises the 415 for a body of another content type than JSON."""
    found = media_type(request)
    if found != "application/json":
        raise Problem(415, f"content-type is {found[:80]!r}; expected application/json")


def parse(kind: type[AnyBody], body: bytes) -> AnyBody:
    """The body as a `kind`; an empty one is an empty object. Raises `InvalidInput`."""
    body = body.removeprefix(BOM_UTF8)  # which files of Windows begin with
    try:
        value = from_json(body, allow_inf_nan=False) if body else {}
    except ValueError as error:
        raise InvalidInput("json", f"the body is not JSON: {NOT_JSON if _has_nan(body) else error}") from None
    return check(kind, value)


def _has_nan(body: bytes) -> bool:
    """Whether it would be JSON, but for NaN or Infinity, which many a library writes."""
    with contextlib.suppress(ValueError):
        from_json(body)
        return True
    return False


def check(kind: type[AnyBody], value: object) -> AnyBody:
    """A parsed JSON value as a `kind`. Raises `InvalidInput`, naming the key and the nearest valid one."""
    if not isinstance(value, dict):
        raise InvalidInput(
            "json", f"expected a JSON object with {keys_of(kind)}, found a {type(value).__name__}"
        )
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        errors = error.errors(
            include_url=False
        )  # an unknown key first: it often is why another one is missing
        first = min(errors, key=lambda one: one["type"] != "extra_forbidden")
        raise InvalidInput("json", described(kind, first, errors)) from None
