"""The settings of the surroundings: where examples come from, where state rests.

A setting is a field; the text under it gives its unit and reason, and is what `config schema` prints.
Those of the port are in `serving_settings`, those that shape learning in `learning_settings`, the whole in
`loading`.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from streamlearner.config.message_settings import FieldsSection
from streamlearner.config.part_names import OWN, PartName, PartSection, with_sections
from streamlearner.registry.dead_letters import DEAD_LETTERS
from streamlearner.registry.part import Registry
from streamlearner.registry.section import Bits, Count, Seconds, Section
from streamlearner.registry.sources import SOURCES


def _missing_value(value: Any) -> Any:
    """YAML reads 1e20 as a text, and JSON has no NaN. Raises ValueError."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = float(value.removeprefix("."))
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isinf(value):
        raise ValueError("numbers or nan, such as [-999, nan]")
    return "nan" if math.isnan(value) else float(value)


MissingValue = Annotated[
    float | Literal["nan"], BeforeValidator(_missing_value), WithJsonSchema({"type": ["number", "string"]})
]


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
    orientation: Literal["apply", "ignore"] = "apply"
    """apply: an image is turned as its EXIF orientation says, as phones leave that to whoever shows it;
    ignore: pixels are taken as stored, as before this setting"""
    tasks: Literal["use", "ignore"] = "use"
    """use: a task that the stream names restricts which classes compete; ignore: all (of a factor) do"""
    remembered_ids: int = Field(default=10_000, ge=0)
    """ids of the last examples, 8 bytes each in the checkpoint, so that what is sent again is learned once"""
    missing_values: list[MissingValue] = Field(default=[], examples=[[-999.0, "nan"]])
    """numbers that stand for a missing one in feature vectors; the running mean of the column takes
    its place. With any of them, or nan, NaN and null are missing too; else refused"""
    erased_ids: int = Field(default=100_000, ge=0)
    """ids erased last, 8 bytes each in the checkpoint, so that what is sent again is not learned again"""
    envelope: Literal["none", "connect", "debezium"] = "none"
    """what is around a record; connect: Kafka Connect's schema and payload; debezium: change events of a
    database: rows are examples, an update corrects, a delete erases"""
    fields: FieldsSection = Field(default_factory=FieldsSection)


class LimitsSection(Section):
    """What a stream may ask for."""

    max_classes: Count = 10_000
    """classes, so that an id in the label field does not open one with each example: as many as the largest
    data sets of species have. An example of one more is a dead letter; known classes are learned as before"""
    max_tasks: Count = 10_000
    """tasks, those of factors included, as for classes"""


class LabelsSection(Section):
    """Labels that come later than the prediction that they are for: the input is kept for them meanwhile."""

    budget_bits: Bits = 8 * 8 * 2**20
    """for inputs that wait for their label, compressed, and ids of those that no longer do, on disk; 8 MiB;
    0 keeps none, and takes no labels"""
    keep_s: Seconds = 86_400.0
    """seconds that an input waits for its label; a day"""


class HistorySection(Section):
    """What the dashboard remembers: figures over time, and what happened, in the state folder."""

    budget_bits: Bits = 8 * 8 * 2**20
    """for all of it, on disk; 8 MiB hold samples of some hours as taken, of two days by the minute, of years
    by the day; at least 1 MiB are taken; 0 keeps none"""
    every_s: Seconds = 5.0
    """seconds between two samples"""


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


@with_sections
class DeadLettersSection(PartSection):
    """Where messages go that could not become examples."""

    registry: ClassVar[Registry] = DEAD_LETTERS
    chooser: ClassVar[str] = "type"

    type: Annotated[str, PartName(DEAD_LETTERS)] = Field(
        default="file", description=f"{DEAD_LETTERS.described()}; {OWN}"
    )
