"""The settings of messages as other programs send them: which field of a record is what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator

from streamlearner.registry.section import Count, Folder, Seconds, Secret, Section, listed

Paths = Annotated[list[str], BeforeValidator(listed)]


class FieldsSection(Section):
    """Which field of a record (a JSON or MessagePack map) is what; `order.class` is a field of a field."""

    input: Paths = Field(default=[], examples=[["temperature", "pressure"]])
    """the input: a list of numbers, bytes, or base64 of such; several fields make a feature vector; empty:
    the field input"""
    label: str | None = Field(default=None, min_length=1, examples=["species"])
    """the label; null: label"""
    task: str | None = Field(default=None, min_length=1, examples=["site"])
    """the task; null: task"""
    id: str | None = Field(default=None, min_length=1, examples=["order.number"])
    """by which an example is known again; null: id"""
    shape: list[Count] = Field(default=[], max_length=3, examples=[[28, 28]])
    """of bytes that are no image file; empty: what the record's own field shape says"""
    dtype: Literal["uint8", "float32", "float64"] = "uint8"
    """of such bytes"""


class SchemaRegistrySection(Section):
    """The Schema Registry that has the schemas of the stream's records: Avro, Protobuf, JSON Schema."""

    url: str | None = Field(default=None, min_length=1, examples=["https://registry.example:8081"])
    """its address, several of one separated by commas; null: records in its framing are not read"""
    username: str | None = Field(default=None, min_length=1)
    """of basic authentication; null: none"""
    password: Secret | None = None
    """of that user; a secret may be {file: path}"""
    ca_file: Folder | None = None
    """PEM file of authorities that its certificate is held to; null: those of the system"""
    timeout_s: Seconds = 5.0
    """seconds for each answer"""
    retry_s: Seconds = 5.0
    """seconds before what it did not answer, or did not know, is asked for again"""
    on_unreachable: Literal["pause", "dead_letter"] = "pause"
    """while it does not answer: the stream waits, or messages that need it are dead letters"""
    on_unknown: Literal["pause", "dead_letter"] = "dead_letter"
    """messages of a schema that it does not know: dead letters, or the stream waits until it does"""
    max_schemas: Count = 1_000
    """schemas kept in memory, those used last"""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        for each in (url or "http://").split(","):
            if not each.strip().startswith(("http://", "https://")):
                raise ValueError("an address that begins with http:// or https://")
        return url
