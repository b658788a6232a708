"""The model card: what an exported model takes and gives, what it was worth, and the digests of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from streamlearner.errors import CheckpointError

FORMAT = 1
CARD = "model.json"
DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Eye:
    """The eye of the model: whether it is part of the graph, or is to be asked for its features first."""

    name: str
    digest: str
    included: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """What the graph takes: inputs [n, *shape], channels first here, of `dtype`; NaN where numbers may be
    `missing`; a task index for each where there are tasks. It gives probabilities of `outputs` classes.
    `missing_as`: numbers that the daemon takes for missing ones, to be made NaN before; None in cards that do
    not say."""

    shape: tuple[int, ...]
    dtype: str
    missing: bool
    takes_tasks: bool
    outputs: int
    eye: Eye | None = None
    missing_as: tuple[float, ...] | None = None

    @property
    def sent_shape(self) -> tuple[int, ...]:
        """As one sends it: channels last, and no dimension for the one channel of a grey image."""
        if len(self.shape) == 1:
            return self.shape
        channels, height, width = self.shape
        return (height, width, channels) if channels > 1 else (height, width)

    def document(self) -> dict[str, Any]:
        """For people and programs: names, shapes (-1: as many as you like), dtypes."""
        inputs = [{"name": "input", "shape": [-1, *self.sent_shape], "dtype": self.dtype}]
        if self.takes_tasks:
            inputs.append({"name": "task", "shape": [-1], "dtype": "int64"})
        known = {} if self.missing_as is None else {"missing_as": list(self.missing_as)}
        return {
            "inputs": inputs,
            "outputs": [{"name": "probabilities", "shape": [-1, self.outputs], "dtype": "float32"}],
            "layout": _layout(self),
            "missing_values": self.missing,
            **known,
            "eye": None if self.eye is None else asdict(self.eye),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Signature:
        """The inverse of `document`."""
        (_, *sent), dtype = document["inputs"][0]["shape"], document["inputs"][0]["dtype"]
        shape = sent if len(sent) == 1 else [sent[2] if len(sent) == 3 else 1, *sent[:2]]
        eye = document["eye"]
        return cls(
            shape=tuple(shape),
            dtype=dtype,
            missing=document["missing_values"],
            takes_tasks=len(document["inputs"]) > 1,
            outputs=document["outputs"][0]["shape"][1],
            eye=None if eye is None else Eye(**eye),
            missing_as=None if (known := document.get("missing_as")) is None else tuple(known),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`version` is the adopted one, `model_version` names the exact weights. `classes` and `tasks` are in the
    order of the outputs, and of task indices (-1: none). `grades`: accuracy on the exam. `files` by name:
    format, sha256, size_bytes, and how far each was found to answer alike (`agreement`)."""

    version: int
    examples: int
    rollbacks: int
    model_version: str
    method: str
    answers: str
    signature: Signature
    classes: list[Any]
    tasks: list[Any]
    grades: dict[str, Any]
    code_version: str
    created: float
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of all that the card says, the digests of the files among it."""
        return _seal(self._shown())

    def to_bytes(self) -> bytes:
        """JSON, sealed by its digest."""
        sealed = {**self._shown(), DIGEST: self.digest}
        return json.dumps(sealed, indent=2, ensure_ascii=False).encode() + b"\n"

    def _shown(self) -> dict[str, Any]:
        return {**asdict(self), "format": FORMAT, "signature": self.signature.document()}

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str) -> Card:
        """Raises `CheckpointError` for a card that is torn, altered, or of later code."""
        try:
            shown = dict(json.loads(data))
            seal, format = shown.pop(DIGEST), shown.pop("format")
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{where} is no model card: {error}") from error
        if format != FORMAT:
            raise CheckpointError(
                f"{where} has format {format}, this code reads {FORMAT}: install a newer one"
            )
        if seal != _seal({**shown, "format": format}):
            raise CheckpointError(f"{where} is altered: its digest is not that of what it says")
        return cls(**{**shown, "signature": Signature.of(shown["signature"])})

    def check(self, name: str, data: bytes, *, where: str) -> bytes:
        """`data` of the file `name`. Raises `CheckpointError` where it is not what was exported."""
        if hashlib.sha256(data).hexdigest() != self.files[name]["sha256"]:
            raise CheckpointError(f"{where} is torn or altered: its SHA-256 is not the one in {CARD}")
        return data


def _seal(shown: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def _layout(signature: Signature) -> str:
    if signature.eye is not None and not signature.eye.included:
        return f"features [n, d] of the eye {signature.eye.name}, which is not part of the graph"
    if len(signature.shape) == 1:
        return "feature vectors [n, d], raw: the graph standardises them"
    kind = "[n, height, width, channels]" if signature.shape[0] > 1 else "[n, height, width]"
    return f"images {kind}, values 0 to 255: the graph scales them"
