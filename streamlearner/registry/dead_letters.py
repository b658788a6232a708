"""The places for messages that could not become examples."""

from __future__ import annotations

from pydantic import Field

from streamlearner.registry.part import Registry
from streamlearner.registry.section import Count, Section

DEAD_LETTERS = Registry(
    "dead letters", plural="dead_letters", contract="streamlearner.connectors.dead_letters:DeadLetters"
)


class FileDeadLettersSection(Section):
    """Of file alone; they stand beside `dead_letters.type`."""

    path: str | None = Field(default=None, examples=["/var/lib/streamlearner/dead-letters"])
    """folder of the files; null: dead-letters under state_dir"""
    max_file_bytes: Count = 64 * 2**20
    """a file of this size gets a number and another one is begun; 64 MiB"""
    keep_files: Count = 16
    """full files that stay, the oldest ones are deleted"""


class KafkaDeadLettersSection(Section):
    """Of kafka alone; they stand beside `dead_letters.type`."""

    topic: str = Field(default="examples.dead-letters", min_length=1)
    """kafka: the topic; the broker is that of source.kafka"""


DEAD_LETTERS.register(
    "file",
    "streamlearner.connectors.dead_letters:FileDeadLetters",
    "lines of JSON in a folder",
    settings=FileDeadLettersSection,
    under="",
)
DEAD_LETTERS.register(
    "kafka",
    "streamlearner.connectors.kafka.dead_letters:KafkaDeadLetters",
    "a topic",
    settings=KafkaDeadLettersSection,
    under="",
)
