"""Assembles a Daemon from a Config: the only module that knows all others."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from prometheus_client import CollectorRegistry

from connectors.dead_letters import DeadLetters, FileDeadLetters
from connectors.files import DatasetSource, ImageFolderSource, JsonLinesSource, ParquetSource
from connectors.kafka import KafkaSource
from connectors.kafka_dead_letters import KafkaDeadLetters
from connectors.memory import MemorySource
from connectors.push import BacklogFull as LogFull
from connectors.push import PushLog, PushRecord, PushSource
from streamlearner import __version__, vision
from streamlearner.archive import Archive
from streamlearner.augmentation import Augmentation
from streamlearner.balanced_recollection import BalancedRecollectionMemory
from streamlearner.allocator import keep_freed_memory
from streamlearner.association import Association, GumbelAssociation, TransformAssociation
from streamlearner.bench.workbench import Pictures, Workbench
from streamlearner.checkpoint import CheckpointStore
from streamlearner.codec import Codec, Example, Schema, encode_raw
from streamlearner.config import Config, load
from streamlearner.daemon import Daemon
from streamlearner.errors import ConfigError
from streamlearner.evaluation.exam import Exam
from streamlearner.evaluation.prequential import Prequential
from streamlearner.inputs import Limits
from streamlearner.intake import Intake
from streamlearner.learner import Learner
from streamlearner.lossless import RawAssociation
from streamlearner.methods import METHODS
from streamlearner.methods.base import Chance, DualMemory
from streamlearner.metrics import Metrics
from streamlearner.networks import build as build_network
from streamlearner.reception import Reception
from streamlearner.recollection import RecollectionMemory
from streamlearner.reporter import Reporter
from streamlearner.serving import BacklogFull, Receipt, Serving
from streamlearner.sleep import SleepSchedule
from streamlearner.stream import Source
from streamlearner.versions import Versions

SEEDS = {"network": 1, "memory": 2, "method": 3, "exam": 4}
"""Each random generator gets its own seed, so that a change in one draws nothing from another."""


def build(config: Config, *, source: Source | None = None) -> Daemon:
    """The whole daemon, not yet running. `source` replaces the configured one (tests and benches).

    Raises ConfigError for settings that contradict each other.
    """
    keep_freed_memory()
    torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 2) - 1))
    config.state_dir.mkdir(parents=True, exist_ok=True)
    log = push_log(config) if source is None and config.source.type == "push" else None
    source = source or make_source(config, log=log)
    dead_letters = make_dead_letters(config)
    codec = Codec(limits=Limits(message_bytes=config.codec.max_message_bytes, pixels=config.codec.max_pixels))
    schedule = make_schedule(config)
    versions = Versions(config.state_dir / "versions", keep=config.checkpoint.keep_versions)
    metrics = Metrics(CollectorRegistry())
    reception = Reception(
        ingest=(lambda examples: ingest(log, examples)) if log else None,
        request_sleep=schedule.request,
        kept_versions=versions.numbers,
        budget_bits=config.memory.budget_bits,
        clock=time.monotonic,
    )
    return Daemon(
        source=source,
        intake=make_intake(config, source=source, codec=codec, dead_letters=dead_letters),
        make_learner=lambda schema: make_learner(config, schema=schema),
        schedule=schedule,
        archive=make_archive(
            config, source=source, versions=versions, dead_letters=dead_letters, metrics=metrics
        ),
        serving=make_serving(config, reception=reception, metrics=metrics, codec=codec),
        reception=reception,
        reporter=Reporter(metrics=metrics, clock=time.monotonic, wall_clock=time.time),
        steps_per_batch=config.sleep.steps_per_batch,
        grade_every_examples=config.evaluation.every_examples,
        poll_timeout_s=config.daemon.poll_timeout_s,
        stop_at_end=config.daemon.at_end == "exit",
        clock=time.monotonic,
    )


# the outside world


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
    return PushRecord(value=value, key=None, headers=headers, id=example.id, timestamp_ms=int(time.time() * 1000))


def make_source(config: Config, *, log: PushLog | None) -> Source:
    """The configured source."""
    kind = config.source.type
    if kind == "kafka":
        return kafka_source(config)
    if kind == "files":
        return files_source(config)
    if log is not None:
        return PushSource(log)
    raise ConfigError("source.type memory is for tests, which hand their source to app.build; use push, kafka or files")


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
    return {name: _secret(name, value) for name, value in options.items()}


def _secret(name: str, value: Any) -> Any:
    if not (isinstance(value, dict) and set(value) == {"file"}):
        return value
    try:
        return Path(value["file"]).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ConfigError(f"source.kafka.client.{name}: secret file {value['file']} cannot be read: {error}") from None


def files_source(config: Config) -> Source:
    files = config.source.files
    if files.format == "jsonl":
        return JsonLinesSource(files.path, follow=files.follow)
    if files.format == "image_folder":
        return ImageFolderSource(files.path, order="label" if files.order == "stored" else files.order, seed=files.seed)
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
    dataset = vision.dataset(files.dataset, root=files.path, train=files.split == "train", download=files.download)
    return DatasetSource(dataset, name=files.dataset, order=files.order, seed=files.seed)


class digits:  # noqa: N801 - a data set, named as torchvision's are used
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
            bootstrap_servers=kafka.bootstrap_servers, topic=section.topic, client=client_options(kafka.client)
        )
    return FileDeadLetters(Path(section.path) if section.path else config.state_dir / "dead-letters")


# what is kept


def make_archive(
    config: Config, *, source: Source, versions: Versions, dead_letters: DeadLetters, metrics: Metrics
) -> Archive:
    section = config.checkpoint
    return Archive(
        checkpoints=CheckpointStore(
            config.state_dir / "checkpoints", keep=section.keep, clock=time.time, code_version=__version__
        ),
        versions=versions,
        dead_letters=dead_letters,
        source=source,
        metrics=metrics,
        method=config.method.name,
        config_digest=config.digest(),
        every_examples=section.every_examples,
        every_s=section.every_s,
        retry_s=section.retry_s,
        clock=time.monotonic,
        wall_clock=time.time,
    )


# the learning


def make_intake(config: Config, *, source: Source, codec: Codec, dead_letters: DeadLetters) -> Intake:
    return Intake(
        source=source,
        codec=codec,
        dead_letters=dead_letters,
        batch_size=config.daemon.batch_size,
        linger_s=config.daemon.linger_s,
        remembered_ids=config.codec.remembered_ids,
        clock=time.monotonic,
    )


def make_learner(config: Config, *, schema: Schema) -> Learner:
    """A fresh learner for inputs of this schema, the same for the same config."""
    return Learner(
        make_method=lambda: make_method(config, input_shape=schema.shape, dtype=getattr(torch, schema.dtype)),
        exam=Exam(
            budget_bits=config.exam.budget_bits,
            fraction=config.exam.fraction,
            input_shape=schema.shape,
            dtype=getattr(torch, schema.dtype),
            seed=config.seed * 1000 + SEEDS["exam"],
        ),
        prequential=Prequential(window=config.evaluation.prequential_window),
        tolerance=config.sleep.tolerance,
        measures_readout=config.evaluation.readout,
        uses_tasks=config.codec.tasks == "use",
    )


def make_method(config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype) -> DualMemory:
    """A fresh method by name; each takes what it needs."""
    method = config.method
    network = build_network(name=config.network.name, input_shape=input_shape, generator=_generator(config, "network"))
    rate = method.learning_rate or 0.05
    if method.name == "finetune":
        return METHODS["finetune"](network=network, learning_rate=rate)
    if method.name == "rehearsal":
        raw = RawAssociation(input_shape=input_shape, dtype=dtype)
        return METHODS["rehearsal"](
            network=network,
            association=raw,
            memory=make_memory(config, association=raw),
            learning_rate=rate,
            recollections_per_step=method.recollections_per_step,
        )
    chance = Chance(seed=config.seed * 1000 + SEEDS["method"])
    association = make_association(config, input_shape=input_shape, dtype=dtype, chance=chance)
    return METHODS["recollection_replay"](
        chance=chance,
        network=network,
        association=association,
        memory=make_memory(config, association=association),
        augmentation=make_augmentation(config, input_shape=input_shape),
        learning_rate=rate,
        recollections_per_step=method.recollections_per_step,
        echoes_per_step=method.echoes_per_step,
        steps=method.steps,
        averaging_pace=method.averaging_pace,
        distillation=method.distillation,
        sleep_steps=config.sleep.steps,
        sleep_batch=config.sleep.batch_size,
        sleep_learning_rate=config.sleep.learning_rate or rate,
    )


def make_augmentation(config: Config, *, input_shape: tuple[int, ...]) -> Augmentation:
    """What is not set is chosen by input shape: mirror images for colour only, turns for one channel only."""
    method, colour = config.method, len(input_shape) == 3 and input_shape[0] > 1
    return Augmentation(
        shift_pixels=input_shape[-1] // 12 if method.shift_pixels is None else method.shift_pixels,
        rotation_degrees=(0.0 if colour else 12.0) if method.rotation_degrees is None else method.rotation_degrees,
        scaling=(0.0 if colour else 0.1) if method.scaling is None else method.scaling,
        flip=colour if method.flip is None else method.flip,
    )


def make_memory(config: Config, *, association: Association) -> RecollectionMemory:
    kind = BalancedRecollectionMemory if config.memory.sampling == "balanced" else RecollectionMemory
    return kind(
        budget_bits=config.memory.budget_bits, radices=association.radices, generator=_generator(config, "memory")
    )


def make_association(
    config: Config, *, input_shape: tuple[int, ...], dtype: torch.dtype, chance: Chance
) -> Association:
    """By name, or by input shape: block means for one-channel images, cosine transform for colour, quantised features."""
    section = config.association
    name = section.name
    grey = len(input_shape) == 3 and input_shape[0] == 1
    if name == "auto":
        name = "thumbnail" if grey and min(input_shape[1:]) >= 16 else "transform"
    if name == "raw":
        return RawAssociation(input_shape=input_shape, dtype=dtype)
    if name == "gumbel":
        return GumbelAssociation(
            input_shape=input_shape,
            variables=section.variables,
            levels=section.levels,
            generator=chance.generator,
            learning_rate=section.learning_rate,
        )
    values = input_shape[0] * (input_shape[1] * input_shape[2] if len(input_shape) == 3 else 1)
    default_bits = 240 if len(input_shape) == 3 and not grey else min(256, 2 * values)
    if name == "thumbnail":  # chosen on held-out MNIST: more detail pays once there are codes enough
        default_bits = 100 if config.memory.budget_bits < 200_000 else 140
    return TransformAssociation(
        input_shape=input_shape,
        code_bits=section.code_bits or default_bits,
        most_symbol_bits=1 if name == "thumbnail" else 5,
        thumbnail_pixels=2 if name == "thumbnail" else 0,
    )


def make_schedule(config: Config) -> SleepSchedule:
    section = config.sleep
    try:
        return SleepSchedule(
            every_examples=section.every_examples,
            every_s=section.every_s,
            cron=section.cron,
            on_memory_full=section.on_memory_full,
            drift=section.drift,
            min_examples=section.min_examples,
            clock=time.time,
        )
    except ValueError as error:
        raise ConfigError(f"sleep: {error}") from None


def make_serving(config: Config, *, reception: Reception, metrics: Metrics, codec: Codec) -> Serving:
    section = config.serving
    return Serving(
        host=section.host,
        port=section.port,
        reception=reception,
        metrics=metrics,
        codec=codec,
        token=section.token,
        max_body_bytes=section.max_body_bytes,
        max_batch=section.max_batch,
        refresh_every_examples=section.refresh_every_examples,
    )


def _generator(config: Config, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(config.seed * 1000 + SEEDS[purpose])


# the bench


def workbench(*, data: Path) -> Workbench:
    """What experiments need: daemons of this very code, and the data sets under `data`."""
    return Workbench(
        build_daemon=lambda settings, source: build(load(path=None, settings=settings, environ={}), source=source),
        build_source=MemorySource,
        load_pictures=lambda name, train: _pictures(name, data=data, train=train),
        encode=encode_raw,
    )


def _pictures(name: str, *, data: Path, train: bool) -> Pictures:
    dataset = vision.dataset(name, root=data, train=train)
    return Pictures(images=np.asarray(dataset.data), labels=[int(label) for label in dataset.targets])
