"""What answers as files with their card, checked against what answers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from streamlearner.export.agreement import Expected
from streamlearner.export.card import CARD, Card
from streamlearner.export.formats import FILES, check_formats, traced, written
from streamlearner.export.graph import Graph, graph_of
from streamlearner.export.running import can_run, loaded
from streamlearner.learning.predictor import Predictor
from streamlearner.version import __version__


@dataclass(frozen=True, slots=True)
class Exported:
    """An exported model: its card, and the bytes of its files by name, the card's own among them."""

    card: Card
    files: Mapping[str, bytes]


def export(
    predictor: Predictor,
    *,
    formats: Sequence[str],
    method: str,
    grades: Mapping[str, Any],
    created: float,
    samples: Tensor | None = None,
) -> Exported:
    """What `predictor` answers, in these formats. `predictor` is a frozen one that is used for nothing else
    any more: its parts go into the graph. `samples` are raw inputs on which files are compared with it; none
    of them is kept. Raises `NotExportable`, also where a file does not answer as it does."""
    check_formats(formats)
    expected = Expected.of(predictor, samples)
    route = predictor.method.route
    graph = graph_of(predictor)
    card = _card(predictor, graph, route=route, method=method, grades=grades, created=created)
    program = traced(graph.module, graph.signature)
    files: dict[str, bytes] = {}
    described: dict[str, dict[str, Any]] = {}
    for format in formats:
        name = FILES[format]
        files[name] = data = written(format, program, card)
        described[name] = {
            "format": format,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
        }
        if can_run(format):
            run = loaded(format, data, where=name)
            takes_tasks = graph.signature.takes_tasks
            described[name]["agreement"] = expected.compare(run, takes_tasks=takes_tasks, name=name)
    card = replace(card, files=described)
    return Exported(card, {**files, CARD: card.to_bytes()})


def _card(
    predictor: Predictor, graph: Graph, *, route: str, method: str, grades: Mapping[str, Any], created: float
) -> Card:
    version = predictor.version
    return Card(
        version=version.adopted,
        examples=version.examples,
        rollbacks=version.rollbacks,
        model_version=str(version),
        method=method,
        answers=route,
        signature=graph.signature,
        classes=predictor.labels.state()[: predictor.method.classes],
        tasks=predictor.tasks.state() if graph.signature.takes_tasks else [],
        grades=dict(grades),
        code_version=__version__,
        created=created,
    )
