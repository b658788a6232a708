"""The configured codec."""

from __future__ import annotations

from streamlearner.app.machine import THIS_MACHINE, Machine
from streamlearner.app.parts import make_limits
from streamlearner.app.schema_registry import make_registry
from streamlearner.config.loading import Config
from streamlearner.config.message_settings import FieldsSection
from streamlearner.decoding.codec import Codec
from streamlearner.decoding.fields import Fields


def make_codec(config: Config, *, machine: Machine = THIS_MACHINE) -> Codec:
    section = config.codec
    return Codec(
        limits=make_limits(config),
        orient=section.orientation == "apply",
        fields=_fields(section.fields),
        registry=make_registry(config.schema_registry, machine=machine),
        envelope=section.envelope,
    )


def _fields(section: FieldsSection) -> Fields | None:
    """None where a record's fields have the names that they have without settings."""
    if section == FieldsSection():
        return None
    return Fields(
        input=tuple(section.input),
        label=section.label,
        task=section.task,
        id=section.id,
        shape=tuple(section.shape),
        dtype=section.dtype,
    )
