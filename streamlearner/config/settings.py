"""The settings of the surroundings: where examples come from, where state rests, who is answered.

A setting is a field; the text under it gives its unit and reason, and is what `config schema` prints.
The settings that shape learning are in `learning_settings`, the whole in `loading`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from streamlearner.config.part_names import OWN, PartName, PartSection, with_sections
from streamlearner.registry.dead_letters import DEAD_LETTERS
from streamlearner.registry.part import Registry
from streamlearner.registry.section import Count, Files, Seconds, Secret, Section, listed
from streamlearner.registry.sources import SOURCES


@with_sections
class SourceSection(PartSection):
    """Where labelled examples come from."""

    registry: ClassVar[Registry] = SOURCES
    chooser: ClassVar[str] = "type"

    type: Annotated[str, PartName(SOURCES)] = Field(
        default="push", description=f"{SOURCES.described()}; {OWN}"
    )


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


class LimitsSection(Section):
    """What a stream may ask for."""

    max_classes: Count = 10_000
    """classes, so that an id in the label field does not open one with each example: as many as the largest
    data sets of species have. An example of one more is a dead letter; known classes are learned as before"""


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


RoleNames = Annotated[list[Literal["predict", "teach", "read", "operate"]], BeforeValidator(listed)]


class TokenFilesSection(Section):
    """Files of tokens, one in each line, by the role that they give; read again when they change. One token
    may stand in several. Once there is any, a role without is closed, unless `serving.open_roles` has it."""

    predict: Files = Field(default_factory=list, examples=["/run/secrets/predict"])
    """to ask for predictions"""
    teach: Files = Field(default_factory=list, examples=["/run/secrets/teach"])
    """to push examples"""
    read: Files = Field(default_factory=list, examples=["/run/secrets/read"])
    """to read status, retention, memory, recollections and metrics"""
    operate: Files = Field(default_factory=list, examples=["/run/secrets/operate"])
    """to ask for a sleep, a checkpoint, a rollback or a transplant"""


class ServingSection(Section):
    """The one port for predictions, admin, metrics and dashboard."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """address to listen on; 0.0.0.0 for all. There is no TLS: put a proxy before it"""
    port: int = Field(default=8080, ge=0, le=65535)
    """0 picks a free one, for tests"""
    token: Secret | None = Field(default=None, examples=[{"file": "/run/secrets/streamlearner"}])
    """one bearer token with all roles, as text or {file: path}; null: those of token_files, if any"""
    token_files: TokenFilesSection = Field(default_factory=TokenFilesSection)
    open_roles: RoleNames = Field(default_factory=list, examples=[["predict", "read"]])
    """roles that need no token though there are some: predict, teach, read, operate"""
    model_name: str = Field(default="streamlearner", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """what clients of the Open Inference Protocol call the model: /v2/models/NAME"""
    refresh_every_examples: Count = 200
    """learned examples between fresh copies for predictions: fresher answers against time spent on copying"""
    max_body_bytes: Count = 32 * 2**20
    """larger request bodies are answered 413; 32 MiB"""
    max_batch: Count = 1_024
    """inputs or examples in one request"""
    max_connections: Count = 512
    """at a time, or half of what `ulimit -n` leaves; then the longest idle one makes room"""


@with_sections
class DeadLettersSection(PartSection):
    """Where messages go that could not become examples."""

    registry: ClassVar[Registry] = DEAD_LETTERS
    chooser: ClassVar[str] = "type"

    type: Annotated[str, PartName(DEAD_LETTERS)] = Field(
        default="file", description=f"{DEAD_LETTERS.described()}; {OWN}"
    )
