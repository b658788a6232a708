"""A daemon that is told to end while it starts: it ends, wherever that finds it."""

from __future__ import annotations

import subprocess
import sys

import pytest

STARTING = """
import os, signal, sys, weakref
from streamlearner.commands import run as command

class Loaded: ...

def told() -> None:
    os.kill(os.getpid(), signal.{name})
    for _ in range(100_000): pass  # where the handler runs

def load_config(*_):
    {where}
    print("went on", flush=True)
    sys.exit(3)

command.load_config = load_config
command.run(None, None, log_format=command.LogFormat.TEXT)
"""
SWALLOWS = {
    "an import that tries": "\n    ".join(["try: told()", "except BaseException: pass"]),
    "a callback of the collector": "\n    ".join(
        ["loaded = Loaded()", "kept = weakref.ref(loaded, lambda _: told())", "del loaded"]
    ),
    "plain code": "told()",
}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("where", SWALLOWS.values(), ids=SWALLOWS)
def test_a_signal_during_start_up_ends_the_process_whatever_swallows_exceptions(
    where: str, name: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTING.format(name=name, where=where)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
