"""The client for asyncio: the calls of `Client`, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self

import httpx

from streamlearner import answer_models as models
from streamlearner.client import calls, sending
from streamlearner.client.calls import Answer, Call, Example, Label
from streamlearner.client.connection import Connection
from streamlearner.client.errors import NoDaemon, Refused
from streamlearner.client.retries import Retries


class AsyncClient:
    """`Client` for asyncio: the same calls, answers and errors, each awaited."""

    def __init__(
        self,
        address: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 30.0,
        retries: Retries = Retries(),  # noqa: B008
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection(address, token=token, timeout_s=timeout_s)
        self._http = httpx.AsyncClient(transport=transport, **sending.settings(self._connection))
        self._retries = retries
        self._sleep = sleep

    @property
    def address(self) -> str:
        """Where the daemon is, with the scheme."""
        return self._connection.address

    async def close(self) -> None:
        """Closes kept connections; as a context the client does so at the end."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def predict(
        self, inputs: Sequence[Any], *, task: str | int | None = None, probabilities: bool = False
    ) -> models.Predictions:
        """Answers to arrays, files or lists (`as_input`); with `probabilities` of every class."""
        return await self.send(calls.predict(inputs, task=task, probabilities=probabilities))

    async def push(self, examples: Sequence[Example], *, repeatable: bool | None = None) -> models.Accepted:
        """Returns once all are durable; one that is not valid refuses all. They are sent again where every
        one has an id, or `repeatable` says that learning one twice does no harm."""
        return await self.send(calls.push(examples, repeatable=repeatable))

    async def push_rows(
        self,
        inputs: Any,
        labels: Sequence[Label],
        *,
        tasks: Sequence[str | int | None] | None = None,
        ids: Sequence[str | int | None] | None = None,
        repeatable: bool | None = None,
    ) -> models.Accepted:
        """As `push`, of many examples of one shape: an array [n, d], [n, H, W] or [n, H, W, C] with a label
        for each. The daemon takes many times as many a second so."""
        return await self.send(calls.push_rows(inputs, labels, tasks=tasks, ids=ids, repeatable=repeatable))

    async def label(self, prediction_id: str, label: Label) -> models.Labelled:
        """The label of an input that was predicted under this id."""
        return await self.send(calls.label(prediction_id, label))

    async def status(self) -> models.StatusDocument:
        """How the daemon is doing."""
        return await self.send(calls.STATUS)

    async def retention(self) -> models.RetentionDocument:
        """What is still known, by the exam."""
        return await self.send(calls.RETENTION)

    async def memory(self) -> models.MemoryDocument:
        """Bits held and allowed."""
        return await self.send(calls.MEMORY)

    async def recollections(
        self, *, per_class: int = 8, label: Label | None = None, lists: bool = False
    ) -> models.RecollectionsDocument:
        """Inputs decoded from the memory, by class: as `predict` takes them, or nested `lists`."""
        return await self.send(calls.recollections(per_class, label=label, form="lists" if lists else "json"))

    async def recollections_picture(self, *, per_class: int = 8, label: Label | None = None) -> bytes:
        """The same as one PNG."""
        return await self.send(calls.recollections_picture(per_class, label=label))

    async def exam(self, count: int = 16, *, label: Label | None = None) -> models.ExamDocument:
        """Examples of the exam, of one class or all, and what the model that answers now says of each."""
        return await self.send(calls.exam(count, label=label))

    async def confusion(self) -> models.ConfusionDocument:
        """How often examples of each class of the exam are answered as which."""
        return await self.send(calls.CONFUSION)

    async def rejects(self) -> models.RejectsDocument:
        """The last messages that could not become examples, by reason."""
        return await self.send(calls.REJECTS)

    async def versions(self) -> models.VersionsDocument:
        """Model versions: those that a rollback can go to, and what the exam said of each."""
        return await self.send(calls.VERSIONS)

    async def questions(self, count: int = 10) -> models.QuestionsDocument:
        """Predicted inputs whose label would teach most; `label` answers one."""
        return await self.send(calls.questions(count))

    async def history(self, *, last_s: float = 3600.0, series: Sequence[str] = ()) -> models.HistoryDocument:
        """Figures over time; `series` names some or groups of them, all without."""
        return await self.send(calls.history(last_s, series=series))

    async def sleep(self) -> models.Requested:
        """Asks for a sleep; `status` shows how it ends."""
        return await self.send(calls.teach("/v1/sleep"))

    async def checkpoint(self) -> models.Requested:
        """Asks for a checkpoint."""
        return await self.send(calls.teach("/v1/checkpoint"))

    async def rollback(self, version: str | int | None = None) -> models.Requested:
        """Asks to go back to an adopted model version; None: the one before."""
        return await self.send(calls.rollback(version))

    async def transplant(self, to: str, *, steps: int | None = None) -> models.Requested:
        """Asks to teach the network `to`, and to answer with it if it passes the exam."""
        return await self.send(calls.teach("/v1/transplant", to=to, steps=steps))

    async def retrain(self, *, steps: int | None = None) -> models.Requested:
        """Asks to teach a fresh network from what is remembered; for after an erasure."""
        return await self.send(calls.teach("/v1/retrain", steps=steps))

    async def erase(
        self, id: str | int, *, source: str | None = None, input: Any = None, label: Label | None = None
    ) -> models.Erased:
        """Takes back what was learned of this example; with its `input` and `label` also from sums."""
        return await self.send(calls.erase(id, source=source, input=input, label=label))

    async def erase_label(self, label: Label) -> models.Erased:
        """The same for all examples of a label."""
        return await self.send(calls.erase_all(label=label))

    async def erase_task(self, task: str | int) -> models.Erased:
        """The same for all examples of a task."""
        return await self.send(calls.erase_all(task=task))

    async def live(self) -> models.Live:
        """Whether the process answers at all."""
        return await self.send(calls.LIVE)

    async def ready(self, *, exclude: Sequence[str] = ()) -> models.Ready:
        """Whether it is ready, and why not; checks that are excluded do not count."""
        return await self.send(calls.ready(exclude))

    async def metrics(self) -> str:
        """Every series, in the Prometheus text format."""
        return await self.send(calls.METRICS)

    async def send(self, call: Call[Answer]) -> Answer:
        """Any request, again where `retries` says so."""
        waited_s = 0.0
        for attempt in count():
            try:
                return sending.read(call, await self._once(call))
            except (Refused, NoDaemon) as error:
                wait_s = self._retries.wait_s(
                    error, repeatable=call.repeatable, attempt=attempt, waited_s=waited_s
                )
                if wait_s is None:
                    raise
            await self._sleep(wait_s)
            waited_s += wait_s
        raise AssertionError("unreachable")

    async def _once(self, call: Call[Any]) -> httpx.Response:
        try:
            return await self._http.request(**sending.arguments(call))
        except httpx.TransportError as error:
            raise self._connection.gone(error) from None
