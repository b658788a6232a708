"""The configuration: every setting with its unit, default and reason. Only `app` and the cli read it.

Precedence: flags > `STREAMLEARNER_*` environment (`__` nests) > YAML > defaults. An unknown key anywhere is an error
that names the nearest valid one.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from streamlearner.errors import ConfigError

ENV_PREFIX = "STREAMLEARNER_"
_UNITS = {"": 1, "bit": 1, "bits": 1, "b": 8, "kb": 8_000, "mb": 8_000_000, "gb": 8_000_000_000}
_UNITS |= {"kib": 8 * 2**10, "mib": 8 * 2**20, "gib": 8 * 2**30}
SECRET = re.compile(r"password|secret|token|credential|jaas|private", re.IGNORECASE)


def parse_bits(value: Any) -> Any:
    """`62720`, `62720 bits`, `64 KiB`, `1.5 MB` to bits. A bare number is bits; B, KB, KiB... are bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value.replace("_", ""))
    if not match or match[2].lower() not in _UNITS:
        raise ValueError(f"{value!r} is no amount of bits; write a number of bits, or for example 64 KiB")
    return int(float(match[1]) * _UNITS[match[2].lower()])


Bits = Annotated[
    int, BeforeValidator(parse_bits), Field(ge=0), WithJsonSchema({"type": ["integer", "string"], "examples": ["64 KiB"]})
]


class Section(BaseModel):
    """A section of the configuration; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", validate_default=True)


class DaemonSection(Section):
    batch_size: int = Field(10, ge=1, description="messages learned in one step; batches are cut by count, so that a run can be repeated bit for bit")
    linger_s: float = Field(2.0, ge=0, description="seconds after which fewer messages are learned, once the source has no more")
    poll_timeout_s: float = Field(0.2, gt=0, description="seconds one poll may wait; also how soon a request reaches an idle daemon")
    at_end: Literal["serve", "exit"] = Field("serve", description="what to do when a finite source has been learned: keep serving, or drain and exit 0")


class KafkaSection(Section):
    bootstrap_servers: str = Field("127.0.0.1:9092", description="host:port, several separated by commas")
    topic: str = Field("examples", description="the topic of labelled examples; all its partitions are read")
    start: Literal["earliest", "latest"] = Field("earliest", description="where to begin when there is no checkpoint")
    on_gap: Literal["stop", "skip"] = Field("stop", description="what to do when messages before the position are gone, or a record batch cannot be read: stop, or count the gap and go on")
    empty_partition_wait_s: float = Field(5.0, ge=0, description="seconds the merge by timestamp waits for a partition that has records not yet fetched")
    start_timeout_s: float = Field(60.0, gt=0, description="seconds to reach the broker and topic at start-up; then exit code 69")
    discover_every_s: float = Field(30.0, gt=0, description="seconds between looks for new partitions")
    poll_hang_timeout_s: float = Field(60.0, gt=0, description="seconds after which a poll that does not return ends the process, to be restarted from the checkpoint")
    group_id: str | None = Field(None, description="commits the checkpoint's offsets under this group for lag displays only; null commits nothing")
    client: dict[str, Any] = Field(default_factory=dict, description="any kafka-python consumer option: TLS, SASL, timeouts, fetch sizes. A secret may be {file: /path}")


class FilesSection(Section):
    format: Literal["jsonl", "image_folder", "parquet", "torchvision", "digits"] = Field("jsonl", description="what the files are; digits are the 1,797 handwritten ones bundled with scikit-learn")
    path: str = Field("", description="file, folder or glob; for torchvision the root of its data")
    dataset: str = Field("MNIST", description="torchvision: name of the data set class")
    split: Literal["train", "test"] = Field("train", description="torchvision: which half")
    download: bool = Field(False, description="torchvision: may download")
    order: Literal["stored", "label", "task", "shuffled"] = Field("stored", description="order of the examples; JSON lines are always as stored")
    seed: int = Field(0, description="of the shuffled order")
    follow: bool = Field(False, description="jsonl: wait for lines that are appended")
    image_column: str = Field("img", description="parquet: column of images (struct of bytes and path, or bytes) or of feature lists")
    label_column: str = Field("label", description="parquet: column of labels")
    task_column: str | None = Field(None, description="parquet: column of tasks; null for none")


class PushSection(Section):
    max_backlog_messages: int = Field(1_000_000, ge=1, description="examples waiting to be learned before POST /v1/examples answers 429")
    max_backlog_bytes: int = Field(4 * 2**30, ge=1, description="the same in bytes on disk")
    remembered_ids: int = Field(1_000_000, ge=0, description="idempotency keys kept, oldest forgotten first")


class SourceSection(Section):
    type: Literal["push", "kafka", "files", "memory"] = Field("push", description="push: HTTP into a durable local log; kafka; files; memory: tests only")
    kafka: KafkaSection = Field(default_factory=KafkaSection)
    files: FilesSection = Field(default_factory=FilesSection)
    push: PushSection = Field(default_factory=PushSection)


class CodecSection(Section):
    max_pixels: int = Field(4_194_304, ge=1, description="pixels an image may have; checked before it is decoded")
    max_message_bytes: int = Field(16 * 2**20, ge=1, description="bytes a message may have")
    tasks: Literal["use", "ignore"] = Field("use", description="use: a task named by the stream restricts which classes compete (task-incremental); ignore: one head for all (class-incremental)")
    remembered_ids: int = Field(10_000, ge=0, description="ids of the last examples, kept in the checkpoint (8 bytes each) so that a producer's re-send is learned once")


class MemorySection(Section):
    budget_bits: Bits = Field(64 * 8 * 2**10, description="hard limit of the recollection memory: codes, labels and task ids")
    sampling: Literal["reservoir", "balanced"] = Field("reservoir", description="reservoir: a uniform sample of everything seen; balanced: equally many of each class")


class AssociationSection(Section):
    name: Literal["auto", "transform", "thumbnail", "gumbel", "raw"] = Field("auto", description="how an input becomes a code. transform: cosine transform, quantised, fitted on the stream; thumbnail: means of blocks; gumbel: the paper's discrete autoencoder; auto chooses by input shape")
    code_bits: int | None = Field(None, ge=1, description="bits of one code; null chooses by input shape")
    variables: int = Field(62, ge=1, description="gumbel: categorical variables of a code (c)")
    levels: int = Field(2, ge=2, description="gumbel: values of each variable (l)")
    learning_rate: float = Field(1e-3, gt=0, description="gumbel: step size of Adam")


class NetworkSection(Section):
    name: Literal["auto", "mlp", "lenet", "resnet18_reduced"] = Field("auto", description="auto: MLP for vectors and images under 16 pixels, LeNet for one channel, reduced ResNet-18 for colour")


class MethodSection(Section):
    name: Literal["recollection_replay", "finetune", "rehearsal"] = Field("recollection_replay", description="who learns")
    learning_rate: float | None = Field(None, gt=0, description="step size of plain SGD while awake; null chooses by network")
    recollections_per_step: int = Field(20, ge=0, description="recollections learned beside each batch")
    steps: int = Field(1, ge=1, description="optimiser steps for each batch")
    averaging_pace: float = Field(0.005, gt=0, le=1, description="weight of the newest in the running average of weights that answers")
    distillation: float = Field(0.0, ge=0, description="weight of staying near the averaged weights' answers for recollections")
    shift_pixels: int | None = Field(None, ge=0, description="random shift of images; null: a twelfth of the width")
    flip: bool | None = Field(None, description="random mirror images; null: for colour images only")


class SleepSection(Section):
    every_examples: int | None = Field(5_000, ge=1, description="learned examples between sleeps; null: never by this rule")
    every_s: float | None = Field(None, gt=0, description="seconds between sleeps; not repeatable bit for bit, as it goes by the clock")
    cron: str | None = Field(None, description="cron expression in UTC, for example '0 3 * * *'")
    on_memory_full: bool = Field(False, description="sleep once when the memory has no free place left")
    drift: float | None = Field(None, gt=0, le=1, description="sleep when prequential accuracy falls this far below its best since the last sleep")
    min_examples: int = Field(1_000, ge=0, description="learned examples between any two sleeps that were not requested")
    steps: int = Field(200, ge=1, description="optimiser steps of one sleep")
    batch_size: int = Field(64, ge=1, description="recollections in a step")
    learning_rate: float | None = Field(None, gt=0, description="first step size, falling to 0; null: that of wake")
    steps_per_batch: int = Field(4, ge=0, description="sleep steps after each wake batch; 0 pauses the stream until the sleep ends")
    tolerance: float = Field(0.01, ge=0, le=1, description="how much of the exam a candidate may lose and still be adopted")


class ExamSection(Section):
    budget_bits: Bits = Field(256 * 8 * 2**10, description="withheld examples, raw, never learned: the ruler of retention")
    fraction: float = Field(0.02, ge=0, le=1, description="share of the stream that is considered for the exam")


class EvaluationSection(Section):
    prequential_window: int = Field(1_000, ge=1, description="examples in the sliding window of prequential accuracy")
    every_examples: int = Field(2_000, ge=1, description="learned examples between gradings of the exam for the metrics")
    readout: bool = Field(True, description="train a linear readout on the exam at each sleep")


class CheckpointSection(Section):
    every_examples: int | None = Field(2_000, ge=1, description="processed messages between checkpoints: the most that is learned again after a crash")
    every_s: float | None = Field(60.0, gt=0, description="seconds between checkpoints while there is something new")
    keep: int = Field(3, ge=1, description="checkpoints kept")
    keep_versions: int = Field(10, ge=1, description="adopted model versions kept for rollback")
    retry_s: float = Field(5.0, gt=0, description="seconds before a failed checkpoint is tried again; the stream waits")


class ServingSection(Section):
    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="one port for predictions, admin, metrics and dashboard; 0 picks a free one")
    token: str | None = Field(None, description="bearer token for sleep, checkpoint and rollback; null leaves them open")
    refresh_every_examples: int = Field(200, ge=1, description="learned examples between fresh copies for predictions")
    max_body_bytes: int = Field(32 * 2**20, ge=1, description="larger request bodies get 413")
    max_batch: int = Field(1_024, ge=1, description="inputs in one request")


class DeadLettersSection(Section):
    type: Literal["file", "kafka"] = Field("file", description="where rejected messages go: files under state_dir, or a Kafka topic")
    path: str | None = Field(None, description="folder of the files; null: dead-letters under state_dir")
    topic: str = Field("examples.dead-letters", description="kafka: the topic; the broker is that of source.kafka")


class Config(Section):
    """The whole configuration."""

    state_dir: Path = Field(Path("state"), description="checkpoints, model versions, the local log and dead letters; one daemon at a time")
    seed: int = Field(0, description="of every random generator")
    device: str = Field("cpu", description="cpu, or a torch device such as cuda")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto measures both at the first start and keeps the faster")
    threads: int | None = Field(None, ge=1, description="threads of one tensor operation; null: the machine's cores less one, which serving uses")
    source: SourceSection = Field(default_factory=SourceSection)
    daemon: DaemonSection = Field(default_factory=DaemonSection)
    codec: CodecSection = Field(default_factory=CodecSection)
    memory: MemorySection = Field(default_factory=MemorySection)
    association: AssociationSection = Field(default_factory=AssociationSection)
    network: NetworkSection = Field(default_factory=NetworkSection)
    method: MethodSection = Field(default_factory=MethodSection)
    sleep: SleepSection = Field(default_factory=SleepSection)
    exam: ExamSection = Field(default_factory=ExamSection)
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection)
    checkpoint: CheckpointSection = Field(default_factory=CheckpointSection)
    serving: ServingSection = Field(default_factory=ServingSection)
    dead_letters: DeadLettersSection = Field(default_factory=DeadLettersSection)

    def digest(self) -> str:
        """SHA-256 of what shapes learning: two runs with equal digests on equal streams learn the same."""
        shown = self.model_dump(mode="json", exclude={"state_dir", "source", "serving", "dead_letters", "checkpoint"})
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()

    def shown(self) -> dict[str, Any]:
        """JSON for a person: secrets masked."""
        return _masked(self.model_dump(mode="json"))  # type: ignore[no-any-return]


def load(*, path: Path | None, settings: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Reads the YAML at `path` (None: defaults), then the environment, then `settings` ({"a.b": value}, from flags).

    Raises ConfigError naming the place, what was found, what is expected, and the nearest valid key.
    """
    merged: dict[str, Any] = {}
    if path is not None:
        _merge(merged, _read_yaml(path), origin=str(path))
    for name, text in sorted(environ.items()):
        if name.startswith(ENV_PREFIX) and name not in _NOT_SETTINGS:
            _put(merged, name[len(ENV_PREFIX) :].lower().split("__"), text, origin=name)
    for key, value in (settings or {}).items():
        _put(merged, key.split("."), value, origin=f"--set {key}")
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(problem) for problem in error.errors())) from None


_NOT_SETTINGS = {"STREAMLEARNER_SHARED", "STREAMLEARNER_REQUIRE_ALL", "STREAMLEARNER_CONFIG"}
"""Names the tests and the command line use; no settings of the daemon."""


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`["a.b=1"]` of the command line to {"a.b": 1}; values are read as YAML scalars."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            raise ConfigError(f"--set {pair}: expected key=value, for example --set memory.budget_bits='64 KiB'")
        settings[key.strip()] = text
    return settings


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"configuration {path}: cannot be read ({error.strerror}); check the path given to --config") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {path}: is no valid YAML: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"configuration {path}: expected sections with settings, found {type(found).__name__}")
    return found


def _merge(target: dict[str, Any], addition: Mapping[str, Any], *, origin: str) -> None:
    for key, value in addition.items():
        if isinstance(value, Mapping) and isinstance(target.get(str(key)), dict):
            _merge(target[str(key)], value, origin=origin)
        else:
            target[str(key)] = value


def _put(target: dict[str, Any], keys: list[str], value: Any, *, origin: str) -> None:
    """Sets one nested key; text is read as a YAML scalar (true, 3, null, [a, b]), passwords stay text."""
    if isinstance(value, str) and not SECRET.search(keys[-1]):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            pass
    for key in keys[:-1]:
        inner = target.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{origin}: {key} is a setting, not a section")
        target = inner
    target[keys[-1]] = value


def _explain(problem: Any) -> str:
    keys = [str(part) for part in problem["loc"]]
    place = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(place, list(_known_keys(Config)), n=1, cutoff=0.0)
        return f"{place}: no such setting; did you mean {nearest[0]}? (`streamlearner config schema` lists all)"
    found = "" if SECRET.search(place) else f", found {problem['input']!r}"
    return f"{place}: {problem['msg']}{found} (`streamlearner config schema` describes it)"


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, prefix + name + ".")
    return keys


def _masked(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner, name) for name, inner in value.items()}
    return "********" if value is not None and SECRET.search(key) else value
