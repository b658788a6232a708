"""The one model as the protocol sees it, whatever carries it: name, versions, what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streamlearner.decoding.codec import Codec
from streamlearner.decoding.labels import parse_text
from streamlearner.decoding.shapes import written
from streamlearner.errors import InvalidInput
from streamlearner.learning.predictor import Predictor
from streamlearner.serving.answers import Answered, Answers
from streamlearner.serving.open_inference import inputs, outputs
from streamlearner.serving.open_inference.tensors import NamedTensor
from streamlearner.serving.problems import Problem, nearest

EXTENSIONS = ("binary_tensor_data", "model_repository_index")
PLATFORM = "streamlearner_pytorch"
_CLASSIFICATION = "classification"


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request to predict. No `outputs`: all of them."""

    tensors: Sequence[NamedTensor]
    outputs: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None


@dataclass(frozen=True, slots=True)
class InferResponse:
    """Its answer."""

    tensors: list[NamedTensor]
    version: str
    parameters: dict[str, str]


class ServedByProtocol:
    """Any thread may call any method. Each raises `Problem` 404 for a model or version that is not served,
    and 503 while there is no model."""

    def __init__(self, *, name: str, answers: Answers, codec: Codec, max_batch: int) -> None:
        self.name = name
        self._answers = answers
        self._codec = codec
        self._max_batch = max_batch

    def find(self, name: str, version: str | None = None) -> Predictor:
        """The model, if it is of that version: the exact one, or the adopted one that it goes on from."""
        if name != self.name:
            text = f'no model "{name[:100]}"; expected "{self.name}"{nearest(name, [self.name])}'
            raise Problem(404, text, kind="unknown-model")
        predictor = self._answers.model
        if version and version not in versions(predictor):
            text = f'version "{version[:100]}" is not served; expected {" or ".join(versions(predictor))}'
            raise Problem(404, text, kind="unknown-model")
        return predictor

    def metadata(self, predictor: Predictor) -> dict[str, Any]:
        """What goes in and comes out: names, datatypes, shapes (-1: as many as you like), and the classes."""
        known, of_factors = outputs.classes(predictor), outputs.factors(predictor)
        probability = [-1, len(of_factors)] if of_factors else [-1]
        return {
            "name": self.name,
            "versions": versions(predictor),
            "platform": PLATFORM,
            "inputs": [_input(predictor.input_shape)],
            "outputs": [
                _tensor(outputs.LABEL, "BYTES", [-1]),
                _tensor(outputs.PROBABILITY, "FP32", probability),
                _tensor(outputs.PROBABILITIES, "FP32", [-1, len(known)]),
            ],
            "parameters": {"classes": list(map(predictor.labels.name, range(len(known))))}
            | ({"factors": of_factors} if of_factors else {}),
        }

    def infer(self, name: str, request: InferRequest, *, started_s: float) -> InferResponse:
        """Predicts; `started_s` as `Answers.to` takes it. Raises `InvalidInput` as well."""
        predictor = self.find(name, request.version)
        wanted = _wanted(request)
        task = request.parameters.get("task")
        answered = self._answers.to(
            inputs.decode(request.tensors, codec=self._codec, max_batch=self._max_batch),
            predictor=predictor,
            task=None if task is None else parse_text(task, "task"),
            probabilities=outputs.PROBABILITIES in wanted,
            started_s=started_s,
        )
        return InferResponse(outputs.encode(answered, wanted), answered.version, _parameters(answered))


def versions(predictor: Predictor) -> list[str]:
    """What may stand in `/versions/...` now: the adopted version, and the exact one, which changes with
    learning."""
    return [str(predictor.version.adopted), str(predictor.version)]


def _wanted(request: InferRequest) -> Sequence[str]:
    for name in request.outputs:
        if name not in outputs.OUTPUTS:
            expected = ", ".join(outputs.OUTPUTS)
            hint = nearest(name, outputs.OUTPUTS)
            raise InvalidInput("output", f'no output "{name[:100]}"; expected some of {expected}{hint}')
    return list(dict.fromkeys(request.outputs)) or outputs.OUTPUTS


def _parameters(answered: Answered) -> dict[str, str]:
    return {"prediction_id": answered.prediction_id, "route": answered.answers[0].route}


def _input(shape: Sequence[int]) -> dict[str, Any]:
    """Channels last, and no dimension for the one channel of a grey image."""
    return _tensor(inputs.INPUT, "FP32" if len(shape) == 1 else "UINT8", [-1, *written(shape)])


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}
