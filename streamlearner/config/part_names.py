"""Settings that name a part, and the sections of those parts: both as the registries have them."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import pydantic
from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from streamlearner.errors import ConfigError
from streamlearner.registry.part import TARGET, Part, Registry
from streamlearner.registry.section import Section

OWN = "or your own, package.module:Name"

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class PartName:
    """What a text must be to name a part: in the registry, or `also`, or a target. Names that match `others`
    may exist elsewhere: who builds the part finds out; `elsewhere` tells a person what they are."""

    registry: Registry
    also: tuple[str, ...] = ()
    others: str | None = None
    elsewhere: str = ""

    def names(self) -> list[str]:
        return [*self.also, *self.registry.names()]

    def check(self, name: str) -> str:
        """The name. Raises ValueError that says what was expected."""
        shipped = {part.name for part in self.registry.shipped}
        patterns = [TARGET.pattern, *filter(None, [self.others])]
        known = name in self.also or name in shipped or any(re.fullmatch(each, name) for each in patterns)
        if not (known or name in self.registry.installed):
            raise ValueError(self.expectation())
        return name

    def expectation(self) -> str:
        """`push, kafka, files or memory`."""
        *names, last = [*self.names(), *filter(None, [self.elsewhere])]
        return f"{', '.join(names)} or {last}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        patterns = [f"^{pattern}$" for pattern in (TARGET.pattern, self.others) if pattern]
        others = [{"type": "string", "pattern": pattern} for pattern in patterns]
        return {"anyOf": [{"type": "string", "enum": self.names()}, *others]}


class PartSection(Section):
    """A section that names a part of a kind, under the key `chooser`, and holds the settings of each."""

    registry: ClassVar[Registry]
    chooser: ClassVar[str] = "name"

    def settings_of(self, name: str | None = None) -> Any:
        """Those of the part of this name (None: of the chosen one): its section, or this one where they stand
        beside the name; None of a part that has none."""
        part = self.registry.find(name or getattr(self, self.chooser))
        if part.is_shipped and (part.settings is None or not part.under):
            return self if part.settings else None
        if part.under in type(self).model_fields:
            return getattr(self, part.under)
        section = part.section()  # of one that the configuration does not mention
        return section() if section else None

    def idle_sections(self) -> list[str]:
        """The keys of the sections of parts that are not chosen."""
        sections = [name for name in type(self).model_fields if isinstance(getattr(self, name), Section)]
        return [name for name in sections if name != self._chosen_section()]

    def _chosen_section(self) -> str:
        """The key of the chosen part's section, whether it has one or not; "" where no part is named."""
        try:
            return self.registry.find(getattr(self, self.chooser)).under
        except ConfigError:  # `auto`, or a name that another check refuses
            return ""

    @pydantic.model_validator(mode="after")
    def _chosen_is_usable(self) -> PartSection:
        if isinstance(own := getattr(self, self._chosen_section(), None), Section):
            own.usable()
        return self


def with_sections(base: type[S]) -> type[S]:
    """A PartSection's class with the sections of the parts that are shipped."""
    assert issubclass(base, PartSection)
    return extended(base, tuple(base.registry.shipped))


@functools.cache  # equal configurations are of one class
def extended(base: type[S], parts: tuple[Part, ...]) -> type[S]:
    """`base` with the sections of these parts. Raises ConfigError for one whose name is taken."""
    beside: list[type[Section]] = []
    nested: dict[str, Any] = {}
    for part in parts:
        section = part.section()
        if section is None:
            continue
        if not part.under:
            beside.insert(0, section)
        elif part.under in base.model_fields:
            raise ConfigError(f"{part}: {part.under} is a setting already; give the part another name")
        else:
            nested[part.under] = (section, Field(default_factory=section))
    bases: Any = (*beside, base)
    made: type[S] = pydantic.create_model(
        base.__name__, __base__=bases, __module__=base.__module__, __doc__=base.__doc__, **nested
    )
    return made


@functools.cache
def replaced(root: type[S], sections: tuple[tuple[str, type[Section]], ...]) -> type[S]:
    """`root` with other classes for some of its sections."""
    fields: dict[str, Any] = {name: (section, Field(default_factory=section)) for name, section in sections}
    return pydantic.create_model(
        root.__name__, __base__=root, __module__=root.__module__, __doc__=root.__doc__, **fields
    )


def choosers(root: type[Section]) -> Sequence[tuple[str, type[PartSection]]]:
    """The sections of `root` that name a part, by key."""
    kinds = ((name, field.annotation) for name, field in root.model_fields.items())
    return [(name, kind) for name, kind in kinds if isinstance(kind, type) and issubclass(kind, PartSection)]
