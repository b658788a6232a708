"""What `streamlearner` exports is the promise: its examples run, its names exist, importing it is quick."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

import streamlearner

DOCUMENTED = [
    "streamlearner",
    "streamlearner.app.assembly",
    "streamlearner.app.embedded",
    "streamlearner.config.given",
]


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_example_in_the_docstrings_runs(name: str) -> None:
    ran = doctest.testmod(importlib.import_module(name))
    assert ran.attempted > 2
    assert ran.failed == 0


def test_every_name_is_there_and_documented() -> None:
    for name in streamlearner.__all__:
        assert getattr(streamlearner, name) is not None
        assert f"`{name}`" in str(streamlearner.__doc__)
    assert set(streamlearner.__all__) <= set(dir(streamlearner))


def test_a_name_that_is_not_promised_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Lerner'"):
        _ = streamlearner.Lerner  # type: ignore[attr-defined]


def test_importing_the_package_and_its_light_names_loads_no_torch() -> None:
    light = "Source, Message, MemorySource, load_config, StreamlearnerError"
    assert python(f"import sys\nfrom streamlearner import {light}\nprint('torch' in sys.modules)") == "False"


def test_the_package_is_a_command() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "streamlearner", "--version"], capture_output=True, text=True, timeout=120
    )
    assert shown.stdout.split() == ["streamlearner", streamlearner.__version__]
