"""A package of someone else's: the worked examples of the docs and a part of each other kind, with entry
points; written in a folder of its own and installed there by pip."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support import doc_pages, forked_commands

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "borrowed-parts"
version = "1.0"

[tool.setuptools]
py-modules = ["my_source", "my_method", "my_network", "my_association", "my_others", "my_coin"]

[project.entry-points."streamlearner.sources"]
readings = "my_source:Readings"

[project.entry-points."streamlearner.methods"]
smoothed = "my_method:Smoothed"

[project.entry-points."streamlearner.networks"]
two_layers = "my_network:TwoLayers"

[project.entry-points."streamlearner.associations"]
signs = "my_association:Signs"

[project.entry-points."streamlearner.sampling"]
newest = "my_others:Newest"

[project.entry-points."streamlearner.dead_letters"]
counted = "my_others:Counted"

[project.entry-points."streamlearner.experiments"]
coin = "my_coin:COIN"
"""

OTHERS = '''
from pathlib import Path

from streamlearner.connectors.dead_letters import DeadLetters
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.registry.section import Section


class Newest(RecollectionMemory):
    """As the reservoir, under a name of its own."""


class Counted(DeadLetters):
    """The number of rejects, in a file."""

    class Settings(Section):
        file: str = "rejects.txt"
        """under state_dir"""

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, int(path.read_text()) if path.exists() else 0

    @classmethod
    def build(cls, settings, surroundings):
        return cls(surroundings.state_dir / settings.file)

    def write(self, rejects) -> None:
        self.count += len(rejects)

    def flush(self, timeout_s: float) -> None:
        self.path.write_text(str(self.count))

    def close(self) -> None:
        self.flush(1.0)

'''

COIN = '''
from streamlearner.bench.kit.experiment import Trial, trial_rows


class Coin:
    """Heads or tails."""

    name = "coin"
    protocol = "A coin, once for each seed."

    def trials(self, scope):
        return [Trial("coin", 0, seed) for seed in range(scope.seeds)]

    def run(self, trial, *, fixture, scope):
        yield from trial_rows(trial, {"heads": trial.seed % 2}, parameter_bits=0, seconds=1.0, examples=1)


COIN = Coin()
'''

TESTS = """
from streamlearner.testing import DeadLettersConformance, ExperimentConformance, SamplingConformance

TestCounted = DeadLettersConformance.of(
    "counted", count=lambda folder: int((folder / "rejects.txt").read_text())
)
TestNewest = SamplingConformance.of("newest")
TestCoin = ExperimentConformance.of("coin")
"""

EXAMPLES = ("my_source.py", "my_method.py", "my_network.py", "my_association.py")


def write(folder: Path) -> None:
    """The distribution: what the docs show of each kind, and the others."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "my_others.py").write_text(OTHERS)
    (folder / "my_coin.py").write_text(COIN)
    for name in EXAMPLES:
        (folder / name).write_text(shown(name))


def write_tests(folder: Path) -> list[str]:
    """The tests that the docs show of them, and those of the others; the names of the files."""
    texts = {f"test_{name}": shown(f"test_{name}") for name in EXAMPLES} | {"test_my_others.py": TESTS}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return list(texts)


def shown(file: str) -> str:
    """The block of the docs that is this file."""
    (text,) = [block.text for block in doc_pages.of_kind("python") if block.file == file]
    return text


def install(folder: Path, target: Path) -> None:
    """What `pip install` does, into a folder and without a network."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *options, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def called(program: str, *words: str, site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """`streamlearner` or `pytest` in `folder`, which finds what is installed in `site`."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("STREAMLEARNER_")}
    environ |= {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    return forked_commands.completed(*words, folder=folder, environ=environ, timeout_s=600, program=program)
