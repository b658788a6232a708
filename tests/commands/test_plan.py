"""`streamlearner plan` prints what the planner found, and settings that a run takes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from streamlearner.commands import main as cli
from streamlearner.config.loading import load, parse_settings
from streamlearner.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]


def plan(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "110"}).invoke(cli.app, ["plan", *words])


def test_the_numbers_are_printed_with_what_they_mean() -> None:
    said = plan("--budget", "62720", "--shape", "1,28,28", "--examples", "10000").output
    lines = {" ".join(line.split()) for line in said.splitlines()}
    assert "budget 62,720 bits, 7,840 bytes" in lines
    assert "code 100 bits; the raw input takes 6,272" in lines
    assert "record 104 bits: code, 4 bits of label" in lines
    assert "recollections 603 records that the memory holds when full" in lines
    assert "stored fraction 6.03% of 10,000 examples (rho)" in lines


def test_the_last_line_is_a_run_with_those_settings() -> None:
    command = plan("--budget", "64 KiB", "--shape", "3,32,32", "--association", "gumbel").output.splitlines()[
        -1
    ]
    words = shlex.split(command)
    assert words[:2] == ["streamlearner", "run"]
    config = load(path=None, settings=parse_settings(words[3::2]), environ={})
    assert (config.association.name, config.association.levels) == ("gumbel", 2)
    assert config.memory.budget_bits == 64 * 8 * 2**10


def test_json_holds_every_number_in_bits() -> None:
    words = ["--budget", "64 KiB", "--shape", "64", "--classes", "3", "--tasks", "2", "--json"]
    found = json.loads(plan(*words).output)
    assert (found["budget_bits"], found["label_bits"], found["task_bits"]) == (524_288, 2, 2)
    assert found["recollections"] == (524_288 - found["statistics_bits"]) // (found["code_bits"] + 4)
    assert found["statistics_bits"] == 524_288 // 8  # what they keep once a network answers


def test_a_shape_may_be_written_with_x() -> None:
    shapes = ("3,32,32", "3x32x32")
    assert len({plan("--budget", "64 KiB", "--shape", shape, "--json").output for shape in shapes}) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--shape", "3,32,32"],
        ["--budget", "64 KiB"],
        ["--budget", "64 Kb", "--shape", "3,32,32"],
        ["--budget", "64 KiB", "--shape", "3,32"],
        ["--budget", "64 KiB", "--shape", "3,32,0"],
        ["--budget", "64 KiB", "--shape", "3,32,32", "--recollections", "9", "--code-bits", "9"],
    ],
)
def test_wrong_usage_ends_with_2(words: list[str]) -> None:
    assert plan(*words).exit_code == 2


def test_an_association_that_there_is_not_names_the_nearest() -> None:
    refused = plan("--budget", "64 KiB", "--shape", "1,28,28", "--association", "transfrom")
    assert refused.exit_code == 2
    assert "no association 'transfrom'; the nearest is 'transform'" in " ".join(refused.output.split())


def test_a_budget_too_small_is_a_configuration_that_cannot_be() -> None:
    refused = plan("--budget", "100", "--shape", "1,28,28").exception
    assert isinstance(refused, ConfigError)
    assert re.search("the least that works is 104 bits", str(refused))


def test_checking_a_configuration_asks_torchvision_only_about_its_own_networks() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from streamlearner.commands import main as cli\n"
        "def check(name): return CliRunner().invoke(\n"
        "    cli.app, ['config', 'check', '-s', f'network.name={name}'])\n"
        "assert check('lenet').exit_code == 0 and not {'torch', 'torchvision'} & set(sys.modules)\n"
        "assert check('resnet18').exit_code == 0 and 'torchvision' in sys.modules\n"
        "print(check('resnet81').exception)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "network.name: there is no network 'resnet81'; did you mean resnet18?\n"
