"""The settings of a program's Learner: its own defaults, and those that a checkpoint was written with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamlearner.config.entries import FoundSetting
from streamlearner.config.given import Settings, found_settings
from streamlearner.config.loading import Config, validated
from streamlearner.config.part_names import choosers
from streamlearner.errors import ConfigError
from streamlearner.registry.part import TARGET
from streamlearner.state.checkpoint import Checkpoint

DEFAULTS = {
    "precision": "fp32",  # a daemon measures which is faster: another run may choose otherwise
    "sleep.every_examples": None,
    "sleep.first_examples": None,
    "sleep.min_examples": 0,
    "sleep.steps_per_batch": 0,  # a daemon learns on while it sleeps
}
"""Of a program, which would not expect what a daemon does here."""


def settings_of_program(config: Settings, *, named: Mapping[str, Any]) -> Config:
    """`DEFAULTS`, then `config`, then what is named and not None. Raises ConfigError."""
    given = {name: value for name, value in named.items() if value is not None}
    return validated([*found_settings(DEFAULTS), *found_settings(config), *found_settings(given)])


def settings_of_checkpoint(checkpoint: Checkpoint, *, folder: Path, config: Settings) -> Config:
    """Those that a checkpoint of the state folder was written with, but where `config` says otherwise. Raises
    ConfigError."""
    stored, given = checkpoint.facts.get("settings"), found_settings(config)
    if stored is None and not given:
        raise ConfigError(
            f"checkpoint {checkpoint.path} is from before settings were kept in checkpoints: give those that "
            "it was learned with as config, such as the daemon's YAML file"
        )
    written = found_settings(stored, where=f"checkpoint {checkpoint.path}")
    _refuse_code(written, but_for=given)
    settings = validated([*written, *found_settings({"state_dir": folder}), *given])
    if settings.method.name != checkpoint.manifest.method:
        raise ConfigError(
            f"checkpoint {checkpoint.path} was learned by method {checkpoint.manifest.method}, config says "
            f"{settings.method.name}: leave method.name out"
        )
    return settings


def _refuse_code(written: list[FoundSetting], *, but_for: list[FoundSetting]) -> None:
    """A checkpoint is data: which modules are imported is for the program to say."""
    said = {setting.keys for setting in but_for}
    for setting in written:
        names_part = setting.keys in {(key, section.chooser) for key, section in choosers(Config)}
        if names_part and setting.keys not in said and TARGET.fullmatch(str(setting.value)):
            raise ConfigError(
                f"{setting.where} names code, {setting.key} {setting.value}: to have it imported, say so in "
                f"config, {{{setting.key!r}: {setting.value!r}}}"
            )
