"""Settings that once had another name: the old key is still read, and a warning names the new one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from streamlearner.config.entries import FoundSetting, parse_scalar

log = logging.getLogger(__name__)


def complement(value: float) -> float:
    """1 - value, and back to the very same number: without the rounding 1 - 0.005 is not 0.995."""
    return round(1.0 - value, 12)


@dataclass(frozen=True, slots=True)
class Renamed:
    """A setting's key before and now. `convert`, its own inverse, where the number's meaning changed, too."""

    old: str
    new: str
    convert: Callable[[float], float] | None = None


RENAMED = (
    Renamed("method.averaging_pace", "method.ema_decay", complement),
    Renamed("method.echoes_per_step", "method.views_per_step"),
    Renamed("method.holding", "method.ewc_lambda"),
    Renamed("method.masked_generator.sharpest", "method.masked_generator.s_max"),
)
_BY_OLD = {renamed.old: renamed for renamed in RENAMED}


def current(entry: FoundSetting) -> FoundSetting:
    """The entry under today's key, its value converted; warns where it has another."""
    renamed = _BY_OLD.get(entry.key)
    if renamed is None:
        return entry
    found = replace(entry, keys=tuple(renamed.new.split(".")))
    if renamed.convert is None:
        log.warning("%s: %s is called %s now", entry.where, renamed.old, renamed.new)
        return found
    value = parse_scalar(entry.value) if entry.is_text else entry.value
    if isinstance(value, int | float) and not isinstance(value, bool):  # else it is refused as it stands
        found = replace(found, value=float(renamed.convert(value)), is_text=False)
    log.warning(
        "%s: %s is called %s now, and counts the other way: write %s", entry.where, renamed.old, renamed.new,
        found.value,
    )  # fmt: skip
    return found


def under_old_keys(tree: dict[str, Any]) -> dict[str, Any]:
    """The nested settings as they were before any was renamed: for a digest that no renaming changes."""
    for renamed in RENAMED:
        *sections, key = renamed.new.split(".")
        here: Any = tree
        for section in sections:
            here = here.get(section, {})
        if key in here:
            value = here.pop(key)
            here[renamed.old.rpartition(".")[2]] = renamed.convert(value) if renamed.convert else value
    return tree
