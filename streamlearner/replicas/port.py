"""What serving asks of a daemon, as a replica answers it: what its version was worth, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from torch import Tensor

from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.labels import ClassName
from streamlearner.decoding.shapes import shown_kind
from streamlearner.replicas.following import Followed, Follower
from streamlearner.serving import Conflict, IngestExamples, Receipt
from streamlearner.serving.daemon_port import ExamSample

NOTHING: dict[str, Any] = {
    "examples": dict.fromkeys(
        ("learned", "withheld", "rejected", "duplicate", "tombstone", "erased", "erasure"), 0
    ),
    "messages": 0,
    "input": None,
    "rejects": {},
    "position": None,
    "lag": {},
    "held_back": {},
    "gaps": 0,
    "asleep": False,
    "owed_steps": 0,
    "refused_steps": 0,
    "pace": {"batch_size": 0, "one_in": 1, "without_steps": 0},
    "sleeps": {"adopted": 0, "refused": 0},
    "last_sleep": None,
    "network": None,
    "transplant": None,
    "prequential_accuracy": None,
    "no_change_accuracy": None,
    "served_accuracy": {},
    "doubts": {},
    "waiting_for_checkpoint": False,
}
"""Of the status document of a daemon, what a replica has none of."""


class ReplicaPort:
    """`serving.DaemonPort` of a replica. `now` is the version that answers, None before the first."""

    def __init__(self, *, where: str, clock: Callable[[], float]) -> None:
        self.now: Followed | None = None
        self.follower: Follower | None = None
        self.failure: str | None = None
        self._where, self._clock, self._started_s = where, clock, clock()

    @property
    def why(self) -> str:
        """What a refusal says."""
        return f"this is a replica: it follows the versions in {self._where} and only answers; ask the daemon"

    connected = learning = True  # answers need neither a source nor learning

    def status(self) -> dict[str, Any]:
        now, age_s = self.now, self.follower.seen_age_s if self.follower else None
        return {
            **NOTHING,
            "ready": now is not None,
            "input": shown_kind(now.predictor.input_shape) if now else None,
            "connected": self.failure is None,
            "model_version": now.card.model_version if now else "0",
            "method": now.card.method if now else "",
            "route": now.card.answers if now else None,
            "uptime_s": round(self._clock() - self._started_s, 3),
            "replica": {
                "follows": self._where,
                "version": now.card.version if now else None,
                "seen_age_s": None if age_s is None else round(age_s, 3),
                "failure": self.failure,
            },
        }

    def retention(self) -> dict[str, Any]:
        """The grades of the version that answers."""
        grades = self.now.card.grades if self.now else {}
        lists: dict[str, Any] = {"by_period": [], "matrix": [], "first_period": 0}
        none = dict.fromkeys(("forgetting", "backward_transfer"))
        maps = {name: dict(grades.get(name, {})) for name in ("by_class", "by_task")}
        empty: dict[str, Any] = {name: {} for name in ("by_factor", "by_age", "last_seen", "readout")}
        measured = {"overall": grades.get("overall"), "as_of": grades.get("as_of")}
        return {**maps, **empty, **lists, **none, **measured, "exam": grades.get("examples", 0)}

    def memory(self) -> dict[str, Any]:
        """A replica remembers nothing."""
        counts: dict[str, Any] = dict.fromkeys(("budget_bits", "recollections", "seen"), 0)
        nothing = ("exam_budget_bits", "refused_codes", "bits_per_example", "bits_per_recollection")
        none = dict.fromkeys(nothing)
        names = ("stored_bits", "parameter_bits", "recollections_by_class", "units")
        return {**counts, **none, **{name: {} for name in names}}

    def kept_versions(self) -> list[int]:
        return [self.now.card.version] if self.now else []

    def last_rejects(self) -> Mapping[str, Any]:
        return {}

    def exam(
        self, label: str | None, most: int, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> ExamSample | None:
        """Exported versions hold none of it."""
        return None

    def recollections(
        self, per_class: int, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> list[tuple[ClassName, Tensor]]:
        self._refuse()

    def ingest(self, examples: IngestExamples) -> Receipt | None:
        self._refuse()

    def erase(
        self, erasure: Erasure, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> Mapping[str, Any]:
        self._refuse()

    def request_sleep(self) -> None:
        self._refuse()

    def request_checkpoint(self) -> None:
        self._refuse()

    def request_rollback(self, version: str | int | None) -> None:
        self._refuse()

    def request_transplant(
        self, to: str | None, steps: int | None, timeout_s: float, left: Callable[[], bool] = lambda: False
    ) -> Mapping[str, Any]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise Conflict(self.why)
