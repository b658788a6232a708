"""The figures that `/v1/status`, `/v1/retention` and `/v1/memory` answer with, built in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamlearner.decoding.labels import LabelSpace
from streamlearner.learning.learner import Learner

if TYPE_CHECKING:
    from streamlearner.daemon.loop import Daemon


def status_report(daemon: Daemon, *, uptime_s: float) -> dict[str, Any]:
    """How the stream is going. Counts are of messages; they add up to all that was taken."""
    learner = daemon.learner
    progress = learner.progress if learner else None
    return {
        "ready": learner is not None and learner.method.classes > 0,
        "examples": {
            "learned": progress.learned if progress else 0,
            "withheld": progress.withheld if progress else 0,
            "rejected": daemon.tally.rejected,
            "duplicate": daemon.tally.duplicate,
        },
        "messages": daemon.tally.messages,
        "rejects": dict(daemon.tally.reasons),
        "position": daemon.position,
        "lag": {str(partition): count for partition, count in daemon.source.lag().items()},
        "connected": daemon.source.connected,
        "gaps": daemon.source.gaps,
        "asleep": daemon.asleep,
        "sleeps": {
            "adopted": progress.adopted if progress else 0,
            "refused": progress.refused if progress else 0,
        },
        "network": learner.network if learner else None,
        "transplant": transplant_report(learner) if learner else None,
        "model_version": daemon.serving.version,
        "prequential_accuracy": learner.prequential.accuracy if learner else None,
        "method": daemon.archive.method,
        "waiting_for_checkpoint": daemon.archive.waiting,
        "uptime_s": round(uptime_s, 3),
    }


def transplant_report(learner: Learner) -> dict[str, Any] | None:
    """The last transplant, whether under way or ended; None where there was none."""
    if (last := learner.transplant) is None:
        return None
    dream = learner.dream
    under_way = dream.steps if dream and dream.transplant else 0
    return {
        "number": last.number,
        "to": last.to,
        "steps": last.steps,
        "done": last.done + under_way,
        "outcome": last.outcome,
        "before": last.before,
        "after": last.after,
    }


def retention_report(learner: Learner | None) -> dict[str, Any]:
    """What the exam says. Shares are fractions; None (null) where nothing was measured yet."""
    grades = learner.grades if learner else None
    if learner is None or grades is None:
        empty: dict[str, Any] = {"overall": None, "by_class": {}, "by_task": {}, "by_factor": {}}
        empty |= {"by_period": []}
        empty |= {"first_period": 0, "matrix": [], "forgetting": None, "backward_transfer": None}
        return empty | {"readout": {}, "exam": 0}
    periods = range(learner.matrix.first, learner.progress.period + 1)
    return {
        "overall": grades.overall,
        "by_class": {str(learner.labels.label(i)): share for i, share in grades.by_class.items()},
        "by_task": {str(learner.tasks.label(i)): share for i, share in grades.by_task.items()},
        "by_factor": by_factor(learner.labels, grades.by_class),
        "by_period": [grades.by_period.get(period) for period in periods],
        "first_period": learner.matrix.first,
        "matrix": learner.matrix.rows,
        "forgetting": learner.matrix.forgetting,
        "backward_transfer": learner.matrix.backward_transfer,
        "readout": learner.readout,
        "exam": len(learner.exam),
    }


def by_factor(labels: LabelSpace, by_class: dict[int, float]) -> dict[str, float]:
    """The mean over the classes of each factor; empty where labels have none."""
    known = {
        factor: [by_class[i] for i in classes if i in by_class]
        for factor, classes in labels.factors.items()
        if factor is not None
    }
    return {factor: sum(shares) / len(shares) for factor, shares in known.items() if shares}


def memory_report(learner: Learner | None, *, budget_bits: int) -> dict[str, Any]:
    """What remembering costs. `bits_per_example` is the paper's storage rate: bits of recollections for each
    example ever seen by the memory (003, eq. 3)."""
    if learner is None:
        nothing: dict[str, Any] = {"budget_bits": budget_bits, "exam_budget_bits": None}
        nothing |= {"stored_bits": {}, "parameter_bits": {}, "recollections": 0, "recollections_by_class": {}}
        nothing |= {"units": {}}
        return nothing | {"bits_per_example": None, "bits_per_recollection": None, "seen": 0}
    stored, seen = learner.stored_bits(), learner.progress.learned
    recalled = stored.get("recollections", 0)
    return {
        "budget_bits": budget_bits,
        "exam_budget_bits": learner.exam.budget_bits,
        "stored_bits": stored,
        "parameter_bits": learner.method.parameter_bits(),
        "recollections": learner.method.remembered,
        "recollections_by_class": {
            str(learner.labels.label(i)): count for i, count in learner.method.remembered_by_class().items()
        },
        "units": learner.method.units(),
        "bits_per_example": recalled / seen if seen else None,
        "bits_per_recollection": recalled / learner.method.remembered if learner.method.remembered else None,
        "seen": seen,
    }


def publish_metrics(daemon: Daemon, *, memory: dict[str, Any]) -> None:
    """The same figures as Prometheus gauges."""
    metrics, learner = daemon.reporter.metrics, daemon.learner
    metrics.publish_source(connected=daemon.source.connected, lag=daemon.source.lag())
    daemon.reporter.passed_over(daemon.source.gaps)
    if learner is None:
        return
    names, grades = learner.labels, learner.grades
    periods = range(learner.progress.period + 1)
    metrics.publish_retention(
        overall=grades.overall if grades else None,
        by_class={names.label(i): share for i, share in grades.by_class.items()} if grades else {},
        by_factor=by_factor(names, grades.by_class) if grades else {},
        by_period=[grades.by_period.get(period) for period in periods] if grades else [],
        forgetting=learner.matrix.forgetting,
        backward_transfer=learner.matrix.backward_transfer,
    )
    metrics.publish_readout(
        overall=learner.readout.get("overall"),
        by_class={name[6:]: share for name, share in learner.readout.items() if name.startswith("class:")},
    )
    metrics.publish_memory(
        stored_bits=memory["stored_bits"],
        budget_bits={"recollections": memory["budget_bits"], "exam": memory["exam_budget_bits"]},
        parameter_bits=memory["parameter_bits"],
        bits_per_example=memory["bits_per_example"],
        recollections={names.label(i): count for i, count in learner.method.remembered_by_class().items()},
        classes=learner.method.classes,
        units=memory["units"],
    )
