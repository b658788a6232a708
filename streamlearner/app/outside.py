"""The configured outside world: sources, the push log, dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from streamlearner.config.loading import Config
from streamlearner.connectors.dead_letters import DeadLetters
from streamlearner.connectors.push import AppendTooLarge, PushLog, PushRecord, PushSource
from streamlearner.connectors.push import BacklogFull as LogFull
from streamlearner.decoding.codec import Example, encode_raw
from streamlearner.decoding.erasures import Erasure
from streamlearner.decoding.headers import Headers
from streamlearner.decoding.inputs import Array
from streamlearner.decoding.labels import label_text
from streamlearner.decoding.rows import Rows
from streamlearner.errors import SourceError
from streamlearner.registry.dead_letters import DEAD_LETTERS
from streamlearner.registry.sources import SOURCES, KafkaSection, PushSection
from streamlearner.serving import BacklogFull, Receipt, TooLarge, Unavailable
from streamlearner.stream import Factors, Label, Message, Source, Surroundings

Names = tuple[Label | Factors, str | None, str | None]
"""Label, task and id of an example."""


def push_log(config: Config) -> PushLog:
    push: PushSection = config.source.settings_of("push")
    return PushLog(
        config.state_dir / "push.sqlite",
        max_backlog_messages=push.max_backlog_messages,
        max_backlog_bytes=push.max_backlog_bytes,
        remembered_ids=push.remembered_ids,
    )


def ingest(log: PushLog, examples: Sequence[Example] | Rows) -> Receipt:
    """Writes examples that serving has validated to the durable log, in the default wire format."""
    try:
        receipt = log.append(push_records(examples))
    except LogFull as error:
        raise BacklogFull(str(error)) from error
    except AppendTooLarge as error:
        raise TooLarge(str(error)) from error
    except SourceError as error:  # a full disk or database, or a closed log: nothing of it was stored
        raise Unavailable(str(error)) from error
    return Receipt(accepted=receipt.accepted, duplicates=receipt.duplicates, position=receipt.position)


def log_erasure(log: PushLog, erasure: Erasure) -> tuple[str, int]:
    """Writes it to the durable log; the place of its message, and how many that waited were blanked."""
    header = (erasure.by, erasure.name.encode())
    value = b""
    headers: tuple[tuple[str, bytes], ...] = (("erase", erasure.by.encode()), header)
    if erasure.input is not None and erasure.input_label is not None:
        value, example = encode_raw(_shown(erasure.input), label=erasure.input_label)
        headers = (*headers, *example)
    record = PushRecord(value=value, headers=headers, timestamp_ms=int(time.time() * 1000))
    try:
        receipt = log.erase(record, header=header)
    except SourceError as error:
        raise Unavailable(str(error)) from error
    return Message(None, PushSource.name, 0, receipt.offset).where(), receipt.blanked


def push_records(examples: Sequence[Example] | Rows) -> list[PushRecord]:
    """Of examples that a codec read, and so valid, in the default wire format."""
    arrays, names = _taken_apart(examples)
    now_ms = int(time.time() * 1000)
    return [
        PushRecord(
            array.tobytes(), None, (*_common(array.shape, array.dtype), *_named(label, task)), id, now_ms
        )
        for array, (label, task, id) in zip(arrays, names, strict=True)
    ]


def _taken_apart(examples: Sequence[Example] | Rows) -> tuple[Iterable[Array], Iterable[Names]]:
    """Their inputs, channels last, and what they are called."""
    if isinstance(examples, Rows):
        return examples.inputs, zip(examples.labels, examples.tasks, examples.ids, strict=True)
    arrays = [_shown(example.input) for example in examples]
    return arrays, [(example.label, example.task, example.id) for example in examples]


@lru_cache(maxsize=64)
def _common(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Headers:
    """What examples of one shape have in common."""
    return (
        ("content-type", b"application/octet-stream"),
        ("shape", ",".join(map(str, shape)).encode()),
        ("dtype", dtype.name.encode()),
    )


def _named(label: Label | Factors, task: str | None) -> tuple[tuple[str, bytes], ...]:
    named = (("label", label_text(label).encode()),)
    return named if task is None else (*named, ("task", task.encode()))


def _shown(input: Tensor) -> Array:
    """Channels last."""
    array: Array = input.numpy()
    return array.transpose(1, 2, 0) if array.ndim == 3 else array


def make_source(config: Config, *, log: PushLog | None) -> Source:
    """The configured source; `log` is that of a push source, which serving writes to."""
    if log is not None:
        return PushSource(log)
    kind: type[Source] = SOURCES.find(config.source.type).load()
    return kind.build(config.source.settings_of(), surroundings(config))


def make_labels_source(config: Config) -> Source | None:
    """The topic of labels that come later, beside the topic of examples; None where none is named."""
    kafka: KafkaSection = config.source.settings_of("kafka")
    if config.source.type != "kafka" or kafka.labels_topic is None:
        return None
    kind: type[Source] = SOURCES.find("kafka").load()
    own = kafka.model_copy(update={"topic": kafka.labels_topic, "group_id": None})
    return kind.build(own, surroundings(config))


def make_dead_letters(config: Config) -> DeadLetters:
    kind: type[DeadLetters] = DEAD_LETTERS.find(config.dead_letters.type).load()
    return kind.build(config.dead_letters.settings_of(), surroundings(config))


def surroundings(config: Config) -> Surroundings:
    return Surroundings(state_dir=config.state_dir, kafka=config.source.settings_of("kafka"))
