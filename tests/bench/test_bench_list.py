"""`streamlearner bench list`: what there is, and all about what is named."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from streamlearner.bench.catalogue import EXPERIMENTS
from streamlearner.bench.command import bench, list_


def called(*words: str) -> str:
    """What a command prints. Raises what it raises."""
    done = CliRunner().invoke(bench, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_is_json_for_tools() -> None:
    found = {each["name"]: each for each in json.loads(called("list", "--json"))}
    assert all(set(each) == {"name", "protocol", "arms", "budgets_bits"} for each in found.values())
    assert tuple(found["mnist-split"]["arms"]) == ("ours", "rehearsal", "finetune")
    assert found["mnist-split"]["budgets_bits"] == [0, 62_720, 313_600, 1_254_400]


def test_the_list_for_people_names_every_experiment_and_says_what_it_is() -> None:
    lines = called("list").splitlines()
    names = [each["name"] for each in json.loads(called("list", "--json"))]
    assert lines[::2] == names
    assert all(line.startswith("  ") and len(line) > 20 for line in lines[1::2])


def test_what_is_asked_about_by_name_is_told_with_its_arms() -> None:
    assert "arms: ours, rehearsal, finetune" in called("list", "mnist-split")
    with pytest.raises(typer.BadParameter, match="'mnist-splitt'; the nearest is 'mnist-split'"):
        list_(["mnist-splitt"])


def test_an_experiment_is_registered_under_its_own_name() -> None:
    assert {name: experiment.name for name, experiment in EXPERIMENTS.items()} == {
        name: name for name in EXPERIMENTS
    }


def test_the_list_needs_no_torch() -> None:
    script = (
        "import sys; from typer.testing import CliRunner; from streamlearner.bench.command import bench\n"
        "assert 'mnist-split' in CliRunner().invoke(bench, ['list']).output\n"
        "print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr
