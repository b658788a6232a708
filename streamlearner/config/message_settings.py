"""The settings of messages as other programs send them: which field of a record is what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from streamlearner.registry.section import Count, Section, listed

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
