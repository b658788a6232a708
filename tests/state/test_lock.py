"""One process at a time in a state folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streamlearner.errors import CheckpointError, StateInUse
from streamlearner.state.checkpoint import StateLock


class TestStateLock:
    def test_the_second_holder_is_refused_with_the_pid_of_the_first(self, tmp_path: Path) -> None:
        with StateLock(tmp_path / "state"), pytest.raises(StateInUse, match=f"process {os.getpid()} on host"):
            StateLock(tmp_path / "state")

    def test_release_lets_the_next_one_in_and_may_be_called_twice(self, tmp_path: Path) -> None:
        first = StateLock(tmp_path)
        first.release()
        with StateLock(tmp_path):
            first.release()
            with pytest.raises(StateInUse):
                StateLock(tmp_path)

    def test_another_process_holds_it_until_it_is_killed(self, tmp_path: Path) -> None:
        code = (
            "import sys, time; from pathlib import Path; from streamlearner.state.lock import StateLock;"
            "lock = StateLock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
        )
        root = Path(__file__).resolve().parent.parent
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=root
        ) as holder:
            try:
                assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
                with pytest.raises(StateInUse, match=f"process {holder.pid} "):
                    StateLock(tmp_path)
            finally:
                holder.kill()
        StateLock(tmp_path).release()

    def test_a_folder_that_cannot_be_locked_is_an_error_that_names_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(CheckpointError, match=r"cannot be locked.*file/state/lock"):
            StateLock(tmp_path / "file" / "state")
