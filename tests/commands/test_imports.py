"""A command imports what it needs and no more: torch takes a second, and each library its megabytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from streamlearner.commands import main as cli
from streamlearner.commands.on_demand import COMMANDS

HEAVY = (
    "fastapi", "grpc", "kafka", "matplotlib", "numpy", "PIL", "pyarrow", "pydantic", "safetensors", "scipy",
    "sklearn", "torch", "torchvision", "uvicorn",
)  # fmt: skip
ENDED = """
import contextlib, io, sys
from streamlearner.commands.main import main
for words in sys.argv[1:]:
    sys.argv = ["streamlearner", *words.split()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        with contextlib.suppress(SystemExit):
            main()
"""
LEARNED = """
import sys, time
import numpy as np
from streamlearner import MemorySource, Message, build, encode
values = [encode(np.full((8, 8), number % 7, dtype=np.uint8), label=number % 2) for number in range(40)]
messages = [Message(value, "t", 0, at, headers=headers) for at, (value, headers) in enumerate(values)]
settings = {"state_dir": sys.argv[1], "serving.port": 0, "daemon.at_end": "exit", "threads": 1}
daemon = build(settings, source=MemorySource(messages))
daemon.run()
assert daemon.status()["examples"]["learned"] > 30
"""


def imported(program: str, *words: str) -> set[str]:
    """Those of `HEAVY` that a process has imported that has run `program`."""
    code = f"{program}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_a_list_of_commands_imports_none_of_them() -> None:
    assert imported(ENDED, "--help", "--version") == set()


def test_what_asks_a_daemon_or_explains_itself_imports_no_learning() -> None:
    asking = ("status", "predict pyproject.toml", "sleep", "erase x", "transplant --to lenet")
    explained = ("run --help", "demo --help", "meta-train --help", "config check", "bench list")
    assert imported(ENDED, *(f"{words} -a 127.0.0.1:9" for words in asking), *explained) == {"pydantic"}


def test_examples_of_a_file_are_pushed_without_kafka(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"input": [1.0], "label": 1}\n')
    settings = f"-s source.files.path={tmp_path / 'a.jsonl'} -s source.files.format=jsonl"
    found = imported(ENDED, f"produce --to push -a 127.0.0.1:9 {settings}")
    assert not found & {"kafka", "torchvision", "sklearn", "scipy", "pyarrow", "matplotlib", "grpc"}


def test_a_daemon_learns_without_the_libraries_of_what_it_was_not_asked_for(tmp_path: Path) -> None:
    found = imported(LEARNED, str(tmp_path))
    assert found == {"numpy", "pydantic", "safetensors", "torch", "uvicorn"}


def test_what_a_daemon_loads_is_never_looked_through_for_garbage() -> None:
    loaded = (
        "import gc, sys\nfrom streamlearner.commands.run import lasting\nwith lasting():\n    import pydantic"
    )
    few = "assert gc.isenabled() and len(gc.get_objects()) < 1_000 < gc.get_freeze_count()"
    assert imported(f"{loaded}\n{few}") == {"pydantic"}


def test_the_list_says_of_each_command_what_the_command_says_of_itself() -> None:
    commands = typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]
    said = {name: " ".join(command.help.split("\n\n")[0].split()) for name, command in commands.items()}
    assert said == COMMANDS


def test_settings_are_ready_without_a_look_at_any_source() -> None:
    unreadable = (
        "import inspect, sys\ndef refuse(*_): raise AssertionError('read')\ninspect.findsource = refuse"
    )
    assert imported(f"{unreadable}\nfrom streamlearner.config.loading import load\nload(path=None)") == {
        "pydantic"
    }
