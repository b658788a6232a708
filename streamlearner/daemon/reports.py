"""The status documents that `/v1/status`, `/v1/retention` and `/v1/memory` answer with, and their metrics."""

from __future__ import annotations

from typing import Any, Protocol

from streamlearner.daemon.doubts import diverged, doubts
from streamlearner.daemon.memory_document import budgets, memory_document
from streamlearner.daemon.persistence import Persistence
from streamlearner.daemon.requests import StatusDocuments
from streamlearner.daemon.state import DaemonState
from streamlearner.decoding.label_space import LabelSpace
from streamlearner.decoding.shapes import shown_kind
from streamlearner.evaluation.retention import by_age
from streamlearner.learning.learner import Learner
from streamlearner.learning.served_accuracy import ServedAccuracy
from streamlearner.state.predictions import Predictions
from streamlearner.telemetry.metrics import Metrics


class Served(Protocol):
    """The model that answers (`serving.Serving`): its name, whether no answer of it is finite, and the
    predictions that wait for their label."""

    @property
    def version(self) -> str: ...

    @property
    def diverged(self) -> bool: ...

    predictions: Predictions | None


def status_documents(
    state: DaemonState, persistence: Persistence, *, served: Served, uptime_s: float, budget_bits: int
) -> StatusDocuments:
    """All three, as of now."""
    learner = state.learner
    return StatusDocuments(
        status=status_document(state, persistence, served=served, uptime_s=uptime_s),
        retention=retention_document(learner),
        memory=memory_document(learner, budget_bits=budget_bits, predictions=served.predictions),
        version=learner.progress.version if learner else 0,
    )


def status_document(
    state: DaemonState, persistence: Persistence, *, served: Served, uptime_s: float
) -> dict[str, Any]:
    """Counts of messages (`examples` add up to `messages`), position, lag, sleeps, versions."""
    learner, source = state.learner, state.source
    progress = learner.progress if learner else None
    return {
        "ready": learner is not None and learner.method.classes > 0,
        "examples": _examples(state),
        "messages": state.tally.messages,
        "input": None if state.schema is None else shown_kind(state.schema.shape),
        "erased_ids": {"held": len(state.erased), "most": state.erased.window},
        "rejects": dict(state.tally.reasons),
        "position": state.position,
        "lag": {str(partition): count for partition, count in state.intake.lag().items()},
        "held_back": {str(partition): count for partition, count in source.held_back().items()},
        "connected": state.intake.connected,
        "gaps": source.gaps,
        "asleep": state.asleep,
        "owed_steps": state.owed_steps,
        "refused_steps": state.events.refused_steps,
        "pace": _pace(state),
        "sleeps": {name: getattr(progress, name) if progress else 0 for name in ("adopted", "refused")},
        "last_sleep": learner.last_sleep if learner else None,
        "network": learner.network if learner else None,
        "transplant": _transplant_document(learner) if learner else None,
        "model_version": served.version,
        "prequential_accuracy": learner.prequential.accuracy if learner else None,
        "no_change_accuracy": learner.no_change.accuracy if learner else None,
        "served_accuracy": (learner.served if learner else ServedAccuracy()).document(
            learner.labels.name if learner else str
        ),
        "answered": answered_document(served.predictions),
        "method": persistence.method,
        "route": learner.method.route if learner else None,
        "doubts": doubts_now(state, persistence, served=served),
        "waiting_for_checkpoint": persistence.waiting,
        "uptime_s": round(uptime_s, 3),
    }


def _examples(state: DaemonState) -> dict[str, int]:
    progress, tally = state.learner.progress if state.learner else None, state.tally
    return {
        "learned": progress.learned if progress else 0,
        "withheld": progress.withheld if progress else 0,
        "rejected": tally.rejected,
        "duplicate": tally.duplicate,
        "tombstone": tally.tombstone,
        "erased": tally.erased,
        "erasure": tally.erasure,
    }


def _pace(state: DaemonState) -> dict[str, int]:
    pace, without = state.intake.pace, state.learner.progress.without_steps if state.learner else 0
    return {"batch_size": pace.size, "one_in": pace.one_in, "without_steps": without}


def answered_document(predictions: Predictions | None) -> dict[str, Any] | None:
    """What labels that came later say of the answers that were given; None where none may come."""
    if predictions is None:
        return None
    return {"waiting": len(predictions)} | predictions.answered.document()


def doubts_now(state: DaemonState, persistence: Persistence, *, served: Served) -> dict[str, str]:
    """A sentence for each, by name."""
    model = diverged(weight=persistence.broken, answers=served.diverged, refusing=state.events.share_refusing)
    return model | doubts(state.learner)


def _transplant_document(learner: Learner) -> dict[str, Any] | None:
    """The last transplant, whether under way or ended; None where there was none."""
    if (last := learner.transplant) is None:
        return None
    now = learner.consolidation
    in_this_round = now.steps if now and now.transplant else 0
    return {
        "number": last.number,
        "to": last.to,
        "steps": last.steps,
        "done": last.done + in_this_round,
        "outcome": last.outcome,
        "before": last.before,
        "after": last.after,
    }


def retention_document(learner: Learner | None) -> dict[str, Any]:
    """Accuracy on the exam, as fractions; None (null) where nothing was measured yet."""
    accuracy = learner.exam_accuracy if learner else None
    if learner is None or accuracy is None:
        empty: dict[str, Any] = {"overall": None, "by_class": {}, "by_task": {}, "by_factor": {}}
        empty |= {"by_period": [], "by_age": {}, "last_seen": {}, "as_of": None}
        empty |= {"first_period": 0, "matrix": [], "forgetting": None, "backward_transfer": None}
        return empty | {"readout": {}, "exam": 0, "contradicted": 0}
    periods = range(learner.matrix.first, learner.progress.period + 1)
    ages = learner.served.ages(learner.progress.learned)
    return {
        "overall": accuracy.overall,
        "by_class": {learner.labels.name(i): value for i, value in accuracy.by_class.items()},
        "by_task": {learner.tasks.name(i): value for i, value in accuracy.by_task.items()},
        "by_factor": by_factor(learner.labels, accuracy.by_class),
        "by_period": [accuracy.by_period.get(period) for period in periods],
        "by_age": by_age(accuracy.by_class, ages),
        "last_seen": {learner.labels.name(i): age for i, age in ages.items()},
        "as_of": accuracy.as_of,
        "first_period": learner.matrix.first,
        "matrix": list(learner.matrix.rows),
        "forgetting": learner.matrix.forgetting,
        "backward_transfer": learner.matrix.backward_transfer,
        "readout": learner.readout,
        "exam": len(learner.exam),
        "contradicted": learner.exam.contradictions.found,
    }


def by_factor(labels: LabelSpace, by_class: dict[int, float]) -> dict[str, float]:
    """The mean over the classes of each factor; empty where labels have none."""
    known = {
        factor: [by_class[i] for i in classes if i in by_class]
        for factor, classes in labels.factors.items()
        if factor is not None
    }
    return {factor: sum(values) / len(values) for factor, values in known.items() if values}


def publish_metrics(state: DaemonState, documents: StatusDocuments) -> None:
    """The same figures as Prometheus gauges."""
    status, metrics, source = documents.status, state.events.metrics, state.source
    state.events.doubted(status["doubts"])
    state.events.source_heard(source.connected)
    metrics.publish_source(
        connected=state.intake.connected, lag=state.intake.lag(), held_back=source.held_back()
    )
    metrics.publish_pace(size=status["pace"]["batch_size"], one_in=status["pace"]["one_in"])
    state.events.messages_lost(source.gaps)
    metrics.publish_erased_ids(len(state.erased))
    if (answered := status["answered"]) is not None:
        metrics.publish_answered(
            waiting=answered["waiting"],
            overall=answered["overall"],
            by_version=answered["by_version"],
            by_window=answered["by_window"],
        )
    if state.learner is not None:
        _publish_learned(metrics, state.learner, documents.memory, documents.retention)


def _publish_learned(
    metrics: Metrics, learner: Learner, memory: dict[str, Any], retention: dict[str, Any]
) -> None:
    metrics.publish_answerer(learner.method.route)
    names, accuracy = learner.labels, learner.exam_accuracy
    metrics.publish_served_accuracy(
        overall=learner.served.overall.rate,
        by_class={names.name(i): rate for i, rate in learner.served.rates().items()},
    )
    periods = range(learner.progress.period + 1)
    metrics.publish_retention(
        overall=accuracy.overall if accuracy else None,
        by_class={names.name(i): value for i, value in accuracy.by_class.items()} if accuracy else {},
        by_factor=retention["by_factor"],
        by_period=[accuracy.by_period.get(period) for period in periods] if accuracy else [],
        by_age=retention["by_age"],
        as_of=accuracy.as_of if accuracy else None,
        forgetting=learner.matrix.forgetting,
        backward_transfer=learner.matrix.backward_transfer,
    )
    metrics.publish_readout(
        overall=learner.readout.get("overall"),
        by_class={
            name.removeprefix("class:"): value
            for name, value in learner.readout.items()
            if name.startswith("class:")
        },
    )
    metrics.publish_memory(
        stored_bits=memory["stored_bits"],
        budget_bits=budgets(memory),
        parameter_bits=memory["parameter_bits"],
        bits_per_example=memory["bits_per_example"],
        recollections={names.name(i): count for i, count in learner.method.remembered_by_class().items()},
        classes=learner.method.classes,
        units=memory["units"],
    )
