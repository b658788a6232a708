"""A tiny method, a daemon that only remembers what it was asked, and a client over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import torch
from torch import Tensor, nn

from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.inputs import read_array
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.labels import ClassName
from streamlearner.decoding.rows import Rows
from streamlearner.errors import InvalidInput
from streamlearner.learning.predictor import ModelVersion, Predictor
from streamlearner.methods.base import DualMemory, Experience, Observation
from streamlearner.methods.seen_classes import SeenClasses
from streamlearner.serving import (
    BacklogFull,
    Conflict,
    ExamSample,
    IngestExample,
    IngestExamples,
    Receipt,
    Serving,
    Unavailable,
)

SHAPE = (1, 4, 4)


class Brightness(DualMemory):
    """Class i answers for inputs whose mean is near i; `bias` is what learning changes."""

    def __init__(self, *, classes: int, scale: float = 1.0) -> None:
        super().__init__()
        self.hippocampus = nn.Linear(1, 1, bias=False)
        self.neocortex = nn.Identity()
        self.seen_classes = SeenClasses()
        self.bias = nn.Parameter(torch.zeros(1))
        self.scale = scale
        if classes:
            self.seen_classes.register(torch.arange(classes), None)

    def observe(self, experience: Experience) -> Observation:
        self.seen_classes.register(experience.labels, experience.tasks)
        with torch.no_grad():
            self.bias += 1.0
        return Observation(predicted=experience.labels, loss=0.0)

    def consolidate(self, candidate: Self) -> Iterator[None]:
        yield from ()

    def adopt(self, candidate: Self) -> None:
        self.load_state_dict(candidate.state_dict())

    def revert(self, neocortex: dict[str, Tensor]) -> None:
        return None

    def predict_proba(self, inputs: Tensor, tasks: Tensor | None) -> Tensor:
        level = inputs.to(torch.float32).flatten(1).mul(self.scale).mean(1, keepdim=True) + self.bias
        distance = (level - torch.arange(self.classes, dtype=torch.float32)) ** 2
        allowed = self.seen_classes.allowed(tasks, len(inputs))
        return torch.softmax(-distance.masked_fill(~allowed, torch.inf), dim=1)

    def features(self, inputs: Tensor) -> Tensor:
        return inputs.to(torch.float32).flatten(1)


def tiny_predictor(
    *,
    labels: tuple[ClassName, ...] = ("zero", "one", 2),
    input_shape: tuple[int, ...] = SHAPE,
    scale: float = 1.0,
    adopted: int = 0,
    examples: int = 0,
) -> Predictor:
    """Answers label i for a picture of which every byte is i. Task `odd` has only seen `one`."""
    method = Brightness(classes=len(labels), scale=scale)
    if len(labels) > 1:
        method.seen_classes.register(torch.tensor([1]), torch.tensor([0]))
    return Predictor(
        method=method,
        labels=LabelSpace(labels),
        tasks=LabelSpace(("odd",)),
        version=ModelVersion(adopted, examples),
        input_shape=input_shape,
    )


def picture(level: int, *, side: int = 4) -> list[list[int]]:
    """A plain list of lists, all `level`."""
    return [[level] * side for _ in range(side)]


def exam_of(*examples: tuple[int, ClassName]) -> ExamSample:
    """Pictures of these levels, of these classes."""
    inputs = torch.stack([torch.full(SHAPE, level, dtype=torch.uint8) for level, _ in examples])
    tasks = torch.full((len(examples),), -1)
    return ExamSample(inputs, [label for _, label in examples], tasks, [0] * len(examples))


def in_full(rows: Rows) -> list[IngestExample]:
    """Each as an example of its own."""
    named = zip(rows.inputs, rows.labels, rows.tasks, rows.ids, strict=True)
    return [
        IngestExample(torch.from_numpy(read_array(one).copy()), label, task, id)
        for one, label, task, id in named
    ]


@dataclass
class FakeDaemon:
    """A `DaemonPort` whose answers a test sets; `asked` is what it was told to do."""

    connected: bool = True
    learning: bool = True
    push: bool = True
    full: bool = False
    broken: bool = False
    stuck: bool = False
    versions: tuple[str | int, ...] = ("3", 2)
    shown: list[tuple[ClassName, Tensor]] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    log: list[IngestExample] = field(default_factory=list)
    known_ids: set[str] = field(default_factory=set)
    figures: dict[str, Any] = field(default_factory=dict)
    threads: set[str] = field(default_factory=set)
    rejected: dict[str, Any] = field(default_factory=dict)
    withheld: ExamSample = field(default_factory=lambda: exam_of((0, "zero"), (1, "one"), (2, "zero")))

    def status(self) -> Mapping[str, Any]:
        return {"examples": {"learned": 7}, "model_version": "0.7"} | self.figures

    def retention(self) -> Mapping[str, Any]:
        return {"overall": float("nan"), "by_class": {2: 0.5, "one": None}, "matrix": [[1.0, float("inf")]]}

    def memory(self) -> Mapping[str, Any]:
        return {"budget_bits": 1000, "stored_bits": {"codes": 10}}

    def recollections(
        self, per_class: int, timeout_s: float, left: Any = None
    ) -> list[tuple[ClassName, Tensor]]:
        self.threads.add(threading.current_thread().name)
        if self.stuck:
            raise TimeoutError
        return [(label, inputs[:per_class]) for label, inputs in self.shown]

    def exam(self, label: str | None, most: int, timeout_s: float, left: Any = None) -> ExamSample | None:
        if self.stuck:
            raise TimeoutError
        chosen = [i for i, name in enumerate(self.withheld.labels) if label in (None, str(name))][:most]
        if not chosen:
            return None
        inputs, tasks = self.withheld.inputs[chosen], self.withheld.tasks[chosen]
        return ExamSample(inputs, [self.withheld.labels[i] for i in chosen], tasks, [0] * len(chosen))

    def last_rejects(self) -> Mapping[str, Any]:
        return self.rejected

    def kept_versions(self) -> list[int]:
        return [int(version) for version in self.versions]

    def ingest(self, examples: IngestExamples) -> Receipt | None:
        if not self.push:
            return None
        if self.full:
            raise BacklogFull("1000 examples wait to be learned", retry_after_s=2.5)
        if self.broken:
            raise Unavailable("the log cannot be written: no space left on device")
        examples = in_full(examples) if isinstance(examples, Rows) else examples
        fresh = [example for example in examples if example.id is None or example.id not in self.known_ids]
        self.known_ids |= {example.id for example in fresh if example.id is not None}
        self.log += fresh
        return Receipt(
            accepted=len(fresh), duplicates=len(examples) - len(fresh), position={"row": len(self.log)}
        )

    def erase(self, erasure: Erasure, timeout_s: float, left: Any = None) -> Mapping[str, Any]:
        if self.stuck:
            raise TimeoutError
        if self.broken:
            raise Unavailable("the log cannot be written: no space left on device")
        self.asked.append(erasure)
        done = not self.full
        removed = {"recollections": 1} if done else None
        known = True if done else None
        said = {"by": erasure.by, "known": known, "removed": removed, "waiting": 0}
        return said | {"checkpoints_renewed": done}

    def request_sleep(self) -> None:
        self.asked.append("sleep")

    def request_checkpoint(self) -> None:
        self.asked.append("checkpoint")

    def request_rollback(self, version: str | int | None) -> None:
        if version is not None and version not in self.versions:
            raise LookupError(f"model version {version} is not kept; kept are 2, 3")
        self.asked.append(("rollback", version))

    def request_transplant(
        self, to: str | None, steps: int | None, timeout_s: float, left: Any = None
    ) -> Mapping[str, Any]:
        self.threads.add(threading.current_thread().name)
        if self.stuck:
            raise TimeoutError
        if to == "lennet":
            raise InvalidInput("network", "to: there is no network 'lennet'; did you mean \"lenet\"?")
        if self.full:
            raise Conflict("the daemon sleeps: ask again once it is awake")
        self.asked.append(("transplant", to, steps))
        return {"number": 1, "to": to, "steps": steps or 3000}


class InProcess(httpx.Client):
    """A client of the application itself, without a socket."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(base_url="http://testserver", transport=_InProcessTransport(serving))


class _InProcessTransport(httpx.BaseTransport):
    def __init__(self, serving: Serving) -> None:
        self._inner = httpx.ASGITransport(serving.application, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return asyncio.run(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        content = b"".join([part async for part in answer.aiter_raw()])
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)
