"""The configured outside world: sources, the push log, dead letters."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from streamlearner.config.loading import Config
from streamlearner.config.settings import read_secret
from streamlearner.connectors.dead_letters import DeadLetters, FileDeadLetters
from streamlearner.connectors.files import DatasetSource, ImageFolderSource, JsonLinesSource, ParquetSource
from streamlearner.connectors.kafka.dead_letters import KafkaDeadLetters
from streamlearner.connectors.kafka.source import KafkaSource
from streamlearner.connectors.push import BacklogFull as LogFull
from streamlearner.connectors.push import PushLog, PushRecord, PushSource
from streamlearner.decoding.codec import Example, encode_raw
from streamlearner.errors import ConfigError
from streamlearner.serving import BacklogFull, Receipt
from streamlearner.stream import Source
from streamlearner.vision import torchvision as vision


def push_log(config: Config) -> PushLog:
    push = config.source.push
    return PushLog(
        config.state_dir / "push.sqlite",
        max_backlog_messages=push.max_backlog_messages,
        max_backlog_bytes=push.max_backlog_bytes,
        remembered_ids=push.remembered_ids,
    )


def ingest(log: PushLog, examples: Sequence[Example]) -> Receipt:
    """Writes examples that serving has validated to the durable log, in the default wire format."""
    try:
        receipt = log.append([push_record(example) for example in examples])
    except LogFull as error:
        raise BacklogFull(str(error)) from error
    return Receipt(accepted=receipt.accepted, duplicates=receipt.duplicates, position=receipt.position)


def push_record(example: Example) -> PushRecord:
    array = example.input.numpy()
    shown = array.transpose(1, 2, 0) if array.ndim == 3 else array
    value, headers = encode_raw(shown, label=example.label, id=example.id, task=example.task)
    return PushRecord(
        value=value, key=None, headers=headers, id=example.id, timestamp_ms=int(time.time() * 1000)
    )


def make_source(config: Config, *, log: PushLog | None) -> Source:
    """The configured source."""
    kind = config.source.type
    if kind == "kafka":
        return kafka_source(config)
    if kind == "files":
        return files_source(config)
    if log is not None:
        return PushSource(log)
    raise ConfigError(
        "source.type memory is for tests, which hand their source to app.build; use push, kafka or files"
    )


def kafka_source(config: Config) -> KafkaSource:
    kafka = config.source.kafka
    return KafkaSource(
        bootstrap_servers=kafka.bootstrap_servers,
        topic=kafka.topic,
        client=client_options(kafka.client),
        start=kafka.start,
        on_gap=kafka.on_gap,
        group_id=kafka.group_id,
        empty_partition_wait_s=kafka.empty_partition_wait_s,
        start_timeout_s=kafka.start_timeout_s,
        discover_every_s=kafka.discover_every_s,
        poll_hang_timeout_s=kafka.poll_hang_timeout_s,
    )


def client_options(options: dict[str, Any]) -> dict[str, Any]:
    """Client options with secrets read from their files: `{file: /run/secrets/x}` becomes the file's text."""
    return {name: read_secret(value) for name, value in options.items()}


def files_source(config: Config) -> Source:
    files = config.source.files
    if files.format == "jsonl":
        return JsonLinesSource(files.path, follow=files.follow)
    if files.format == "image_folder":
        return ImageFolderSource(
            files.path, order="label" if files.order == "stored" else files.order, seed=files.seed
        )
    if files.format == "parquet":
        return ParquetSource(
            files.path,
            image_column=files.image_column,
            label_column=files.label_column,
            task_column=files.task_column,
            order=files.order,
            seed=files.seed,
        )
    if files.format == "digits":
        return DatasetSource(digits(), name="digits", order=files.order, seed=files.seed)
    dataset = vision.dataset(
        files.dataset, root=files.path, train=files.split == "train", download=files.download
    )
    return DatasetSource(dataset, name=files.dataset, order=files.order, seed=files.seed)


class digits:
    """The 1,797 handwritten digits bundled with scikit-learn: 8x8 images, 0..16 scaled to 0..255."""

    def __init__(self) -> None:
        from sklearn.datasets import load_digits  # takes a second to import; only the demo needs it

        bundle = load_digits()
        self.images = (bundle.images * (255.0 / 16.0)).round().astype("uint8")
        self.targets = bundle.target.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.images[index], self.targets[index]


def make_dead_letters(config: Config) -> DeadLetters:
    section = config.dead_letters
    if section.type == "kafka":
        kafka = config.source.kafka
        return KafkaDeadLetters(
            bootstrap_servers=kafka.bootstrap_servers,
            topic=section.topic,
            client=client_options(kafka.client),
        )
    return FileDeadLetters(Path(section.path) if section.path else config.state_dir / "dead-letters")
