"""What labels that come later need: where predictions wait, the log that labelled ones go to, the topic of
labels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial

from streamlearner.app.machine import THIS_MACHINE
from streamlearner.app.outside import ingest, make_labels_source
from streamlearner.config.loading import Config
from streamlearner.connectors.joined import JoinedSource
from streamlearner.connectors.push import PushLog
from streamlearner.serving import IngestExample, LabelsLater, Receipt
from streamlearner.state.predictions import Predictions
from streamlearner.stream import Source

LOG = "labels.sqlite"


def with_labels(
    config: Config, source: Source, *, log: PushLog | None, opened: ExitStack
) -> tuple[Source, LabelsLater | None]:
    """The configured source with labels that come later, and what serving needs for them; `log` is that of
    pushed examples, where there is one. Where labels were turned off after some came, those still join."""
    keeps, own = config.labels.budget_bits > 0, config.state_dir / LOG
    if log is None and (keeps or own.exists()):
        log = opened.enter_context(PushLog(own))
        source = JoinedSource(source, log, path=config.state_dir / "labels-taken.jsonl")
    return source, make_later(config, partial(ingest, log), opened=opened) if keeps and log else None


def make_later(
    config: Config, learn: Callable[[list[IngestExample]], Receipt], *, opened: ExitStack
) -> LabelsLater:
    """`learn` makes a labelled one durable."""
    predictions = Predictions(
        config.state_dir / "predictions.sqlite",
        budget_bits=config.labels.budget_bits,
        keep_s=config.labels.keep_s,
        now_s=THIS_MACHINE.wall_clock,
    )
    topic = make_labels_source(config)
    return LabelsLater(
        predictions=opened.enter_context(closing(predictions)),
        ingest=learn,
        topic=topic and opened.enter_context(closing(topic)),
        place=config.state_dir / "labels-topic.json",
    )
