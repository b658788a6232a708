"""Parts that are not shipped, where the settings name one: their sections become a part of the configuration.

Nothing of a plug-in is imported until then, so that a broken one is in nobody's way who does not use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from streamlearner.config import problems
from streamlearner.config.entries import FoundSetting
from streamlearner.config.part_names import PartSection, choosers, extended, replaced
from streamlearner.errors import ConfigError
from streamlearner.registry.part import TARGET, Part
from streamlearner.registry.section import Section

S = TypeVar("S", bound=Section)


def with_own_parts(root: type[S], found: Sequence[FoundSetting]) -> tuple[type[S], list[str]]:
    """`root`, with the sections of such parts as are named or have settings in `found`; and what is wrong
    with any."""
    wrong: list[str] = []
    sections: list[tuple[str, type[Section]]] = []
    for key, section in choosers(root):
        own: dict[str, Part] = {}
        for setting, name in _names(section, [each for each in found if each.keys[0] == key]):
            try:
                part = section.registry.find(name)
                if not part.is_shipped:
                    extended(section, (part,))
                    own[name] = part
            except ConfigError as error:
                wrong.append(problems.unusable(setting, error))
        if own:
            sections.append((key, extended(section, tuple(own.values()))))
    return (replaced(root, tuple(sections)) if sections else root), wrong


def _names(section: type[PartSection], found: Sequence[FoundSetting]) -> Iterator[tuple[FoundSetting, str]]:
    """The name that had the last word, and those of plug-ins that have settings."""
    registry, shipped = section.registry, {part.name for part in section.registry.shipped}
    chosen = [setting for setting in found if setting.keys[1:] == (section.chooser,)]
    for setting in chosen[-1:]:
        name = str(setting.value)
        if name not in shipped and (TARGET.fullmatch(name) or name in registry.installed):
            yield setting, name
    for setting in found:
        if len(setting.keys) > 1 and setting.keys[1] not in section.model_fields:
            under = {parts[0].under: name for name, parts in registry.installed.items()}
            if setting.keys[1] in under:
                yield setting, under[setting.keys[1]]
