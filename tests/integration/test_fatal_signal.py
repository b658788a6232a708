"""A crash in C code: the next run of the command tells its last words."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.support.daemon_process import DaemonProcess


def test_the_last_words_of_a_crash_in_c_code_are_told_once_by_the_next_run(tmp_path: Path) -> None:
    daemon = DaemonProcess(tmp_path, {"source": {"type": "push"}})
    said = "a fatal signal ended the last run: Fatal Python error: Segmentation fault"
    try:
        daemon.start().wait_until(lambda status: status["messages"] == 0)
        daemon.signal(signal.SIGSEGV)
        assert daemon.wait_for_end() == -signal.SIGSEGV
        for _ in range(2):
            daemon.start().wait_until(lambda status: status["messages"] == 0)
            assert daemon.stop() == 0, daemon.tail()
        assert daemon.log.read_text().count(said) == 1
    finally:
        daemon.close()
