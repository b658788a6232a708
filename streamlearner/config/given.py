"""The configuration as a program gives it: a mapping, a YAML file, or one that is loaded already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pydantic.fields import FieldInfo

from streamlearner.config import problems
from streamlearner.config.entries import FoundSetting, environment_entries, file_entries
from streamlearner.config.loading import Config, validated
from streamlearner.errors import ConfigError

Settings: TypeAlias = Config | Mapping[str, Any] | str | os.PathLike[str] | None
"""A Config, a mapping of settings, the path of a YAML file, or None for the defaults."""


def load_config(config: Settings = None, *, environ: Mapping[str, str] | None = None) -> Config:
    """The whole configuration, every setting that is not given at its default.

    `config` is the path of a YAML file, or a mapping of settings, whose keys are dotted or nested as you
    like: `{"memory.budget_bits": "64 KiB"}` or `{"memory": {"budget_bits": "64 KiB"}}`. `environ`, usually
    `os.environ`, lets `STREAMLEARNER_MEMORY__BUDGET_BITS` and the like count before it, as on the command
    line; without it the environment is not read.

    Raises `ConfigError` with every problem found: what was found, what is expected, the nearest name.

    >>> from streamlearner import load_config
    >>> config = load_config({"memory": {"budget_bits": "16 KiB"}, "method.name": "finetune"})
    >>> config.memory.budget_bits
    131072
    >>> load_config({"memory.budget": 1000})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    streamlearner.errors.ConfigError: ...no such setting; did you mean memory.budget_bits? ...
    """
    if isinstance(config, Config) and not environ:
        return config
    return validated([*found_settings(config), *environment_entries(environ or {})])


def found_settings(config: Settings, *, where: str = "config") -> list[FoundSetting]:
    """The settings that `config` gives, without any default; `where` is how an error names a mapping."""
    if config is None:
        return []
    if isinstance(config, str | os.PathLike):
        return file_entries(Path(config))
    if isinstance(config, Config):
        config = config.model_dump(exclude_unset=True)
    if not isinstance(config, Mapping):
        raise ConfigError(
            f"config is a {type(config).__name__}; expected a mapping of settings, the path of a YAML file, "
            "or a Config"
        )
    return list(_flat(config, where))


def _flat(settings: Mapping[str, Any], where: str, above: tuple[str, ...] = ()) -> Iterator[FoundSetting]:
    """Down to the settings; a mapping that is the value of one (`source.kafka.client`) stays whole."""
    for name, value in settings.items():
        keys = (*above, *str(name).split("."))
        place = problems.setting(Config, keys)
        if isinstance(value, Mapping) and not isinstance(place, FieldInfo):
            yield from _flat(value, where, keys)
        else:
            plain = (
                value.item() if hasattr(value, "item") else value
            )  # a number of numpy is no int to pydantic
            yield FoundSetting(keys, plain, where)
