"""GET /v1/history: curves of what is remembered. GET /v1/versions: what was known of each model version."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from starlette.requests import Request

from streamlearner.serving.daemon_port import DaemonPort, Unavailable
from streamlearner.serving.history.curves import chosen, curves, step_for
from streamlearner.serving.parameters import Parameter
from streamlearner.serving.problems import Json, Problem, finite
from streamlearner.serving.workers import Workers
from streamlearner.state.history import History, HistoryUnreadable

NOT_KEPT = "this daemon keeps no history: set history.budget_bits"


class Remembered:
    """Reads in a thread. `history` is None where none is kept."""

    def __init__(
        self,
        *,
        history: History | None,
        daemon: DaemonPort,
        workers: Workers,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._history = history
        self._daemon = daemon
        self._workers = workers
        self._now_s = now_s

    async def curves(
        self,
        request: Request,
        last_s: Annotated[
            float, Parameter(gt=0, le=1e9, description="seconds until now, where no `since_s` is given")
        ] = 3600.0,
        since_s: Annotated[float | None, Parameter(ge=0, le=1e11, description="seconds since 1970")] = None,
        until_s: Annotated[
            float | None, Parameter(ge=0, le=1e11, description="seconds since 1970; now")
        ] = None,
        points: Annotated[int, Parameter(ge=1, le=2000, description="times, at most (about)")] = 300,
        series: Annotated[
            str, Parameter(max_length=1000, description="names or groups of them, with commas between; all")
        ] = "",
    ) -> Json:
        """Figures over time, in the finest resolution that was asked for and is still there, and marks of
        sleeps, rollbacks and restarts."""
        history = self._kept()
        until = self._now_s() if until_s is None else until_s
        since = until - last_s if since_s is None else since_s
        if since >= until:
            raise Problem(400, f"since_s is {since:.0f}; expected less than until_s, {until:.0f}")
        names = [name for name in series.split(",") if name]
        return await self._workers.run(
            lambda _: self._answer(history, since, until, points, names), client=request
        )

    def _answer(self, history: History, since: float, until: float, points: int, names: list[str]) -> Json:
        step_s = step_for(until - since, points)
        try:
            times, found = curves(history.samples(since, until), step_s=step_s)
            marks, first_s = history.marks(since, until), history.first_s
        except HistoryUnreadable as error:
            raise Unavailable(str(error)) from error
        return Json(
            finite(
                {
                    "as_of_s": self._now_s(), "first_s": first_s, "since_s": since, "until_s": until,
                    "step_s": step_s, "times": times, "series": chosen(found, names),
                    "marks": [{"at_s": one.at_s, "kind": one.kind, **one.details} for one in marks],
                    "stored_bits": history.stored_bits, "budget_bits": history.budget_bits,
                    "failing": history.failing,
                }
            )
        )  # fmt: skip

    async def versions(self, request: Request) -> Json:
        """Model versions that are kept, and those that the history remembers: what the exam said while each
        answered, first and last."""
        return await self._workers.run(lambda _: self._versions(), client=request)

    def _versions(self) -> Json:
        kept = self._daemon.kept_versions()
        try:
            known = {} if self._history is None else self._history.versions()
        except HistoryUnreadable as error:
            raise Unavailable(str(error)) from error
        answering = int(str(self._daemon.status().get("model_version", "0")).split(".")[0])
        numbers = sorted({*kept, *known, answering})
        nothing: dict[str, Any] = {"first": None, "last": None}
        described = [
            {"version": number, "kept": number in kept, "answers": number == answering}
            | nothing | known.get(number, {})
            for number in numbers
        ]  # fmt: skip
        return Json(finite({"versions": described}))

    def _kept(self) -> History:
        if self._history is None:
            raise Problem(409, NOT_KEPT, kind="history-not-kept")
        return self._history
