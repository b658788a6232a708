"""The thread that keeps the history: learning never waits for its disk."""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from streamlearner.serving.daemon_port import DaemonPort
from streamlearner.serving.history.figures import Increments, means, totals
from streamlearner.state.history import ABSENT, History, Mark
from streamlearner.state.samples import Sample
from streamlearner.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

MOST_WAITING = 100
"""Marks that a full disk did not take yet."""
STOPS_WITHIN_S = 3.0


class Recorder:
    """Takes a sample of the published documents every `every_s`, and each mark as it comes. The documents are
    those that `/v1/status` answers with: nothing is worked out for the history."""

    def __init__(
        self,
        *,
        history: History,
        daemon: DaemonPort,
        metrics: Metrics,
        every_s: float,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._history = history
        self._daemon = daemon
        self._metrics = metrics
        self._every_s = every_s
        self._now_s = now_s
        self._increments: Increments | None = None
        self._taken_s = 0.0
        self._waiting: deque[Mark] = deque(maxlen=MOST_WAITING)
        self._erasing: dict[str, None] = {}
        self._noted: tuple[str, Any] | None = None
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Once only."""
        self._history.mark("started", {})
        self._thread.start()

    def stop(self) -> None:
        """After a last sample. Safe to call twice, or unstarted."""
        if self._thread.is_alive():
            self._history.marked.put(None)
            self._thread.join(STOPS_WITHIN_S)

    def _run(self) -> None:
        due_s, goes_on = time.monotonic(), True
        while goes_on:
            try:
                mark = self._history.marked.get(timeout=max(0.0, due_s - time.monotonic()))
                goes_on = mark is not None
                self._take(mark)
            except queue.Empty:
                mark, due_s = None, time.monotonic() + self._every_s
            try:
                self.record(sampled=mark is None)
            except Exception:
                log.exception("the history misses figures; learning goes on")

    def _take(self, mark: Mark | None) -> None:
        """Of an erasure no name is kept."""
        if mark is not None and mark.kind in ("erased", ABSENT):
            self._erasing |= dict.fromkeys(mark.details["classes"])
            mark = replace(mark, details={}) if mark.kind == "erased" else None
        self._waiting.extend([mark] if mark else [])

    def record(self, *, sampled: bool) -> None:
        """Writes the marks that wait, and what happened since the last sample, where one is to be taken."""
        status = self._daemon.status()
        sample = self._sample(status) if sampled and "examples" in status else None
        if sample is None and not self._waiting:
            return
        if self._history.record(sample=sample, marks=list(self._waiting)):
            self._waiting.clear()
        else:
            self._metrics.count_history_failure()
        if sample is not None:
            self._note_version(status)
        self._erase(sampled=sampled)

    def _erase(self, *, sampled: bool) -> None:
        """Documents of just before may still name a class: again, until none does."""
        if self._erasing and self._history.erase_classes(self._erasing) and sampled:
            shown = self._daemon.retention().get("by_class", {})
            self._erasing = {label: None for label in self._erasing if label in shown}

    def _sample(self, status: Mapping[str, Any]) -> Sample | None:
        """None at the first moment: of what happened before, nothing is known."""
        now_s, counted = self._now_s(), totals(status, self._metrics.prediction_durations())
        former_s, self._taken_s = self._taken_s, now_s
        if self._increments is None:
            self._increments = Increments(counted)
            return None
        found = means(
            status,
            self._daemon.retention(),
            self._daemon.memory(),
            saved_s=self._metrics.checkpoint_saved_s(),
            now_s=now_s,
        )
        found = {name: value for name, value in found.items() if math.isfinite(value)}
        highs = {"lag": found["lag"]}
        counts = self._increments.since(counted)
        return Sample(former_s, max(0.0, now_s - former_s), means=found, highs=highs, counts=counts)

    def _note_version(self, status: Mapping[str, Any]) -> None:
        """What the exam said while this version answered, first and last."""
        retention, version = self._daemon.retention(), str(status.get("model_version", "0")).split(".")[0]
        exam = {"at_s": self._now_s(), "network": status.get("network"), "as_of": retention.get("as_of")}
        exam |= {key: retention.get(key) for key in ("overall", "by_class", "forgetting")}
        if exam["overall"] is None or self._noted == (version, exam["as_of"]):
            return
        self._noted = version, exam["as_of"]
        with contextlib.suppress(Exception):
            known = self._history.versions().get(int(version), {})
            self._history.note_version(int(version), {"first": known.get("first", exam), "last": exam})
