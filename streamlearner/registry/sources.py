"""The sources of labelled examples: what each is called, where its code is, and its own settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from streamlearner.registry.part import Registry
from streamlearner.registry.section import Count, OptionError, Seconds, Section, read_secret

SOURCES = Registry("source", plural="sources", contract="streamlearner.stream:Source")


def _readable_secrets(options: dict[str, Any]) -> dict[str, Any]:
    """The options unchanged, each `{file: path}` among them found readable; `app` reads them."""
    for name, value in options.items():
        try:
            read_secret(value)
        except ValueError as error:
            raise OptionError(name, f"{name} to be {error}") from None
    return options


class KafkaSection(Section):
    """One learner reads every partition; positions are in the checkpoint, not in the broker."""

    bootstrap_servers: str = Field(default="127.0.0.1:9092", min_length=1)
    """host:port, several separated by commas"""
    topic: str = Field(default="examples", min_length=1)
    """the topic of labelled examples; all its partitions are read, also those added later"""
    partitions: list[Annotated[int, Field(ge=0)]] | None = Field(default=None, examples=[[0, 1]])
    """of the topic, which are read; null: all, also those added later"""
    labels_topic: str | None = Field(default=None, min_length=1, examples=["labels"])
    """a topic of labels that come later: {"prediction_id": ..., "label": ...}; null: by HTTP alone"""
    start: Literal["earliest", "latest"] = "earliest"
    """where a learner without a checkpoint begins"""
    on_gap: Literal["stop", "skip"] = "stop"
    """where messages at the position are gone or unreadable: stop and say so, or skip and count the gap"""
    empty_partition_wait_s: float = Field(default=5.0, ge=0)
    """seconds that the merge by timestamp waits for a partition whose records are not yet fetched"""
    start_timeout_s: Seconds = 60.0
    """seconds to reach broker and topic at start-up; then exit code 69"""
    discover_every_s: Seconds = 30.0
    """seconds between looks for new partitions and the topic's id; how far it reaches is asked each second"""
    poll_hang_timeout_s: Seconds = 60.0
    """seconds after which a fetch that hangs ends the process (code 70), to be restarted"""
    group_id: str | None = Field(default=None, examples=["streamlearner"])
    """shows the checkpoint's offsets under this group, for lag displays only; null commits nothing"""
    client: Annotated[dict[str, Any], AfterValidator(_readable_secrets)] = Field(
        default_factory=dict,
        examples=[{"security_protocol": "SSL", "ssl_password": {"file": "/run/secrets/key"}}],
    )
    """any kafka-python consumer option: TLS, SASL, timeouts, fetch sizes. A secret may be {file: path}"""

    def client_options(self) -> dict[str, Any]:
        """`client` with secrets read from their files: `{file: /run/secrets/x}` becomes the file's text."""
        return {name: read_secret(value) for name, value in self.client.items()}


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

    def usable(self) -> None:
        if self.format != "digits" and not self.path:
            raise ValueError(f"source.files.path to be set, as source.files.format is {self.format}")


class PushSection(Section):
    """The durable local log behind POST /v1/examples."""

    max_backlog_messages: Count = 1_000_000
    """examples waiting to be learned before POST /v1/examples answers 429"""
    max_backlog_bytes: Count = 4 * 2**30
    """the same in bytes on disk; 4 GiB"""
    remembered_ids: int = Field(default=1_000_000, ge=0)
    """ids kept so that a re-send is taken once, oldest forgotten first"""


SOURCES.register(
    "push",
    "streamlearner.connectors.push.source:PushSource",
    "HTTP into a durable local log",
    settings=PushSection,
)
SOURCES.register(
    "kafka",
    "streamlearner.connectors.kafka.source:KafkaSource",
    "a topic",
    settings=KafkaSection,
)
SOURCES.register(
    "files",
    "streamlearner.app.files:Files",
    "see below",
    settings=FilesSection,
)
SOURCES.register(
    "memory",
    "streamlearner.connectors.memory:MemorySource",
    "for tests",
)
