"""The push log under kill -9, a second process, a damaged file and a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlearner.connectors.push import PushLog, PushRecord, PushSource
from streamlearner.errors import SourceError, StateInUse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[PushLog]:
    with PushLog(tmp_path / "push.sqlite") as log:
        yield log


def source_over(log: PushLog) -> PushSource:
    source = PushSource(log)
    source.open(None)
    return source


def record(number: int, id: str | None = None) -> PushRecord:
    return PushRecord(f"value {number}".encode(), id=id)


APPENDER = """
import sys
from streamlearner.connectors.push import PushLog, PushRecord
log = PushLog(sys.argv[1])
for number in range(100_000):
    log.append([PushRecord(b"%d" % number)])
    print(number, flush=True)
"""


def spawn(code: str, path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    process = spawn(APPENDER, tmp_path / "log")
    assert process.stdout is not None
    for _ in range(30):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.communicate()[0].split()
    acknowledged = int(rest[-1]) + 1 if rest else 30
    with PushLog(tmp_path / "log") as log:
        values = [int(m.value or b"") for m in source_over(log).poll(100_000, 0.0)]
    assert values == list(range(len(values)))
    assert len(values) in (acknowledged, acknowledged + 1)  # one may be durable and not yet acknowledged


def test_a_second_process_is_refused(log: PushLog, tmp_path: Path) -> None:
    process = spawn(
        "import sys; from streamlearner.connectors.push import PushLog; PushLog(sys.argv[1])",
        tmp_path / "push.sqlite",
    )
    assert "StateInUse" in process.communicate(timeout=60)[1]
    with pytest.raises(StateInUse, match="another process"):
        PushLog(tmp_path / "push.sqlite")


@pytest.mark.parametrize("damage", ["head", "middle"])
def test_a_damaged_file_says_which_and_what_to_do(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "log"
    with PushLog(path) as log:
        log.append([record(i) for i in range(500)])
    with path.open("r+b") as file:
        file.seek(0 if damage == "head" else 5000)
        file.write(b"\xaa" * 9000)
    with pytest.raises(SourceError, match=r"log is damaged: .*\. Restore it"):
        PushLog(path)
    path.unlink()
    PushLog(path).close()  # the lock was given back


def test_a_full_disk_refuses_the_append_and_stores_nothing_of_it(log: PushLog) -> None:
    log.append([record(0)])
    pages = log._store._writer.execute("PRAGMA page_count").fetchone()[0]
    log._store._writer.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(SourceError, match="full"):
        log.append([record(1, "a"), PushRecord(b"x" * 100_000, id="b")])
    assert (log.backlog_messages, log.end) == (1, 2)
    log._store._writer.execute("PRAGMA max_page_count=1000000")
    assert log.append([record(1, "a"), PushRecord(b"x" * 100_000, id="b")]).accepted == 2
    assert len(source_over(log).poll(9, 0.0)) == 3


@pytest.mark.parametrize("exchanged", [False, True], ids=["deleted", "exchanged"])
def test_nothing_is_acknowledged_for_a_file_that_no_next_start_would_find(
    log: PushLog, tmp_path: Path, exchanged: bool
) -> None:
    log.append([record(1)])
    path = tmp_path / "push.sqlite"
    path.rename(tmp_path / "away")
    if exchanged:
        path.write_bytes((tmp_path / "away").read_bytes())
    for refused in (lambda: log.append([record(2)]), lambda: log.erase(record(3), header=("id", b"a"))):
        with pytest.raises(SourceError, match="was deleted or exchanged while it is in use"):
            refused()
    assert [message.value for message in source_over(log).poll(10, 0.0)] == [b"value 1"]
    path.unlink(missing_ok=True)
    (tmp_path / "away").rename(path)
    log.append([record(2)])
    assert log.backlog_messages == 2
