"""The settings of the surroundings: where examples come from, where state rests, who is answered.

A setting is a field; the text under it gives its unit and reason, and is what `config schema` prints.
The settings that shape learning are in `learning_settings`, the whole in `config`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

UNITS = {"": 1, "bit": 1, "bits": 1, "kbit": 1_000, "Mbit": 10**6, "Gbit": 10**9}
"""Bits in each unit of an amount. `b` and `Kb` are none: some read bits there, others bytes."""
UNITS |= {"B": 8, "kB": 8_000, "KB": 8_000, "MB": 8 * 10**6, "GB": 8 * 10**9}
UNITS |= {"KiB": 8 * 2**10, "MiB": 8 * 2**20, "GiB": 8 * 2**30}


class Section(BaseModel):
    """A section of the configuration. Unknown keys are errors, and true is no number."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, validate_default=True, use_attribute_docstrings=True
    )


def parse_bits(value: Any) -> Any:
    """`62720`, `62720 bits`, `64 KiB`, `1.5 MB` to bits; what is no text stays. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value)
    if not match or match[2] not in UNITS:
        raise ValueError(f"an amount of bits such as 64 KiB (units: {', '.join(filter(None, UNITS))})")
    bits = float(match[1]) * UNITS[match[2]]
    if bits != int(bits):
        raise ValueError("a whole number of bits")
    return int(bits)


def read_secret(value: Any) -> Any:
    """The text of the file in `{file: path}`, less its newline; anything else stays. Raises ValueError."""
    if not (isinstance(value, dict) and set(value) == {"file"}):
        return value
    try:
        return Path(str(value["file"])).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"a secret in a readable file; {value['file']}: {reason}") from None


def _readable_secrets(options: dict[str, Any]) -> dict[str, Any]:
    """The options unchanged, each `{file: path}` among them found readable; `app` reads them."""
    for name, value in options.items():
        try:
            read_secret(value)
        except ValueError as error:
            raise ValueError(f"{name} to be {error}") from None
    return options


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) and value else value


Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Bits = Annotated[
    int,
    Field(ge=0),
    BeforeValidator(parse_bits),
    WithJsonSchema({"type": ["integer", "string"], "minimum": 0, "examples": ["64 KiB", 524288]}),
]
Folder = Annotated[Path, BeforeValidator(_path)]
Secret = Annotated[
    str,
    Field(min_length=1),
    BeforeValidator(read_secret),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["file"]}]}),
]


class KafkaSection(Section):
    """One learner reads every partition; positions are in the checkpoint, not in the broker."""

    bootstrap_servers: str = Field(default="127.0.0.1:9092", min_length=1)
    """host:port, several separated by commas"""
    topic: str = Field(default="examples", min_length=1)
    """the topic of labelled examples; all its partitions are read, also those added later"""
    start: Literal["earliest", "latest"] = "earliest"
    """where a learner without a checkpoint begins"""
    on_gap: Literal["stop", "skip"] = "stop"
    """where messages at the position are gone or unreadable: stop and say so, or skip and count the gap"""
    empty_partition_wait_s: float = Field(default=5.0, ge=0)
    """seconds that the merge by timestamp waits for a partition whose records are not yet fetched"""
    start_timeout_s: Seconds = 60.0
    """seconds to reach broker and topic at start-up; then exit code 69"""
    discover_every_s: Seconds = 30.0
    """seconds between looks for new partitions, their ends (lag) and the topic's id"""
    poll_hang_timeout_s: Seconds = 60.0
    """seconds after which a fetch that hangs ends the process (code 70), to be restarted"""
    group_id: str | None = Field(default=None, examples=["streamlearner"])
    """shows the checkpoint's offsets under this group, for lag displays only; null commits nothing"""
    client: Annotated[dict[str, Any], AfterValidator(_readable_secrets)] = Field(
        default_factory=dict,
        examples=[{"security_protocol": "SSL", "ssl_password": {"file": "/run/secrets/key"}}],
    )
    """any kafka-python consumer option: TLS, SASL, timeouts, fetch sizes. A secret may be {file: path}"""


class FilesSection(Section):
    """Files as a stream, for `source.type: files` and for `streamlearner produce`."""

    format: Literal["jsonl", "image_folder", "parquet", "torchvision", "digits"] = "jsonl"
    """what the files are; digits are the 1,797 handwritten ones that come with scikit-learn"""
    path: str = Field(default="", examples=["examples.jsonl"])
    """file, folder or glob; for torchvision the root of its data; digits needs none"""
    dataset: str = "MNIST"
    """torchvision: name of the data set's class"""
    split: Literal["train", "test"] = "train"
    """torchvision: which half"""
    download: bool = False
    """torchvision: may download what is not there"""
    order: Literal["stored", "label", "task", "shuffled"] = "stored"
    """label: class after class; task: needs a task column; JSON lines are always as stored"""
    seed: int = 0
    """of the shuffled order"""
    follow: bool = False
    """jsonl: wait for lines that are appended, for ever"""
    image_column: str = "img"
    """parquet: column of images (bytes, or struct of bytes and path) or of feature lists"""
    label_column: str = "label"
    """parquet: column of labels"""
    task_column: str | None = Field(default=None, examples=["task"])
    """parquet: column of tasks; null for none"""


class PushSection(Section):
    """The durable local log behind POST /v1/examples."""

    max_backlog_messages: Count = 1_000_000
    """examples waiting to be learned before POST /v1/examples answers 429"""
    max_backlog_bytes: Count = 4 * 2**30
    """the same in bytes on disk; 4 GiB"""
    remembered_ids: int = Field(default=1_000_000, ge=0)
    """ids kept so that a re-send is taken once, oldest forgotten first"""


class SourceSection(Section):
    """Where labelled examples come from."""

    type: Literal["push", "kafka", "files", "memory"] = "push"
    """push: HTTP into a durable local log; kafka: a topic; files: see below; memory: for tests"""
    kafka: KafkaSection = Field(default_factory=KafkaSection)
    files: FilesSection = Field(default_factory=FilesSection)
    push: PushSection = Field(default_factory=PushSection)

    @pydantic.model_validator(mode="after")
    def _files_have_a_path(self) -> SourceSection:
        if self.type == "files" and self.files.format != "digits" and not self.files.path:
            raise ValueError(f"source.files.path to be set, as source.files.format is {self.files.format}")
        return self


class CodecSection(Section):
    """From messages to examples."""

    max_pixels: Count = 4_194_304
    """pixels an image may have (height x width); checked before it is decoded, against decompression bombs"""
    max_message_bytes: Count = 16 * 2**20
    """bytes a message may have; larger ones are rejected unread. 16 MiB; a broker allows 1 MiB by default"""
    tasks: Literal["use", "ignore"] = "use"
    """use: a task that the stream names restricts which classes compete; ignore: all (of a factor) do"""
    remembered_ids: int = Field(default=10_000, ge=0)
    """ids of the last examples, 8 bytes each in the checkpoint, so that what is sent again is learned once"""


class CheckpointSection(Section):
    """When what was learned becomes durable."""

    every_examples: Count | None = Field(default=5_000, examples=[5_000])
    """messages between checkpoints: the most that is learned again after a crash; null: never by this rule"""
    every_s: Seconds | None = Field(default=60.0, examples=[60.0])
    """seconds between checkpoints while there is something new; null: never by this rule"""
    keep: Count = 3
    """checkpoints kept: one is enough unless a disk damages it"""
    keep_versions: Count = 10
    """adopted model versions kept for POST /v1/rollback"""
    retry_s: Seconds = 5.0
    """seconds before a checkpoint that failed is tried again; the stream waits meanwhile"""


class ServingSection(Section):
    """The one port for predictions, admin, metrics and dashboard."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """address to listen on; 0.0.0.0 for all. There is no TLS: put a proxy before it"""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 picks a free one, for tests"""
    token: Secret | None = Field(default=None, examples=[{"file": "/run/secrets/streamlearner"}])
    """bearer token for sleep, checkpoint and rollback, as text or {file: path}; null leaves them open"""
    refresh_every_examples: Count = 200
    """learned examples between fresh copies for predictions: fresher answers against time spent on copying"""
    max_body_bytes: Count = 32 * 2**20
    """larger request bodies are answered 413; 32 MiB"""
    max_batch: Count = 1_024
    """inputs or examples in one request"""


class DeadLettersSection(Section):
    """Where messages go that could not become examples."""

    type: Literal["file", "kafka"] = "file"
    """file: lines of JSON in a folder; kafka: a topic"""
    path: str | None = Field(default=None, examples=["/var/lib/streamlearner/dead-letters"])
    """folder of the files; null: dead-letters under state_dir"""
    topic: str = Field(default="examples.dead-letters", min_length=1)
    """kafka: the topic; the broker is that of source.kafka"""
