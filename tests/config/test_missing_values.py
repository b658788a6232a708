"""`codec.missing_values`: numbers and nan, as YAML, the environment and flags write them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from streamlearner.config.loading import Config, load
from streamlearner.errors import ConfigError


def read(tmp_path: Path, text: str) -> list[Any]:
    path = tmp_path / "config.yaml"
    path.write_text(f"codec:\n  missing_values: {text}\n")
    return load(path=path, environ={}).codec.missing_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[-999, 1e20]", [-999.0, 1e20]),
        ("[.nan]", ["nan"]),
        ("[nan, NaN, 9.97e36]", ["nan", "nan", 9.97e36]),
        ("[]", []),
    ],
)
def test_numbers_and_nan_are_read_as_people_write_them(tmp_path: Path, text: str, values: list[Any]) -> None:
    assert read(tmp_path, text) == values
    flags = {"codec.missing_values": text}
    assert load(path=None, settings=flags, environ={}).codec.missing_values == values
    environ = {"STREAMLEARNER_CODEC__MISSING_VALUES": text}
    assert load(path=None, environ=environ).codec.missing_values == values


@pytest.mark.parametrize("text", ["[.inf]", "[none]", "[true]", "-999", "[[1]]"])
def test_what_is_no_number_is_refused_with_its_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"codec\.missing_values"):
        read(tmp_path, text)


def test_they_are_kept_as_json_in_a_checkpoint_and_read_from_there() -> None:
    given = load(path=None, settings={"codec.missing_values": [math.nan, 1.0]}, environ={})
    stored = given.learning()["codec"]["missing_values"]
    assert stored == ["nan", 1.0]
    again = load(path=None, settings={"codec.missing_values": stored}, environ={})
    assert again.digest() == given.digest() != Config().digest()
