"""Fixtures over what lies beside the repository: the shared folder, and a real Apache Kafka broker in it; and
the command line run in this process."""

from __future__ import annotations

import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kafka_broker import Broker, NoBroker, running_broker, shared_folder

LONGEST = (
    "integration/test_mnist_stream.py",
    "integration/test_recovery.py",
    "methods/test_conformance.py",
    "docs/test_walk_through.py",
    "integration/test_kafka_faults.py",
    "integration/test_serving_under_load.py",
    "state/test_old_checkpoints.py",
    "connectors/test_conformance.py",
    "integration/test_plug_ins.py",
    "integration/test_files_sources.py",
    "gates/test_meta_learning.py",
    "commands/test_main_daemon.py",
    "integration/test_memory_bits.py",
    "daemon/test_loop_restored.py",
)
"""The files that take longest, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files begin, so that no worker is left alone with one; xdist has to keep their order."""
    root = Path(__file__).parent
    places = {root / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def forgets_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A module that one test wrote and imported is not what the next finds under its name."""
    before = set(sys.modules)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in sys.modules.keys() - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(folder):
            del sys.modules[name]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material beside the repository (or where STREAMLEARNER_SHARED says)."""
    folder = shared_folder()
    if not folder.is_dir():
        pytest.skip(f"the shared folder is absent ({folder}); set STREAMLEARNER_SHARED")
    return folder


@pytest.fixture(scope="session")
def broker(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for the session, with a SASL listener. A test that stops it must start it again."""
    try:
        with running_broker(tmp_path_factory.mktemp("broker")) as running:
            yield running
    except NoBroker as missing:
        pytest.skip(str(missing))


@pytest.fixture
def topic(broker: Broker, request: pytest.FixtureRequest) -> Callable[..., str]:
    """Makes fresh topics: `topic(partitions=3, config={...})`. Old timestamps stay: retention is off."""
    from tests.support.kafka_topic import make_topic

    prefix = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]

    def make(partitions: int = 1, config: dict[str, str] | None = None, name: str | None = None) -> str:
        name = name or f"{prefix}-{uuid.uuid4().hex[:12]}"
        make_topic(broker, name, partitions=partitions, config=config)
        return name

    return make


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the config.yaml of the repository or the settings of whoever runs it."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("STREAMLEARNER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Runs `main` in this process: (exit code, stdout, stderr). Logging is as before afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*words: str) -> tuple[int, str, str]:
        from streamlearner.commands import main as cli

        monkeypatch.setattr(sys, "argv", ["streamlearner", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        code = end.value.code
        out, err = capsys.readouterr()
        return code if isinstance(code, int) else 0, out, err

    root.handlers.clear()
    yield run
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
