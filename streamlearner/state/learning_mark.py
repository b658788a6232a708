"""What is being learned right now, and what failed: beside the checkpoints, as a process that fails saves
none."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from streamlearner.state import sealed_lines
from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import explained, replace_file

log = logging.getLogger(__name__)

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_KERNEL_COUNTS = Path("/proc/vmstat")
FATAL_SIGNAL = "fatal_signal.txt"
_NOTHING = b"\n"
_LINES_SHOWN = 6


class LearningMark:
    """One line of JSON in a file: what is being learned, or nothing.

    A line is written and never synced: it survives the death of the process, whatever its cause (some 5 us),
    and not that of the machine, for which no message is to blame. Where the disk takes no line there is none.
    """

    def __init__(self, path: Path, *, disk: Disk = LOCAL_DISK) -> None:
        with explained("what is being learned cannot be noted", path.parent, disk=disk):
            self._note = disk.note(path)
        self._run = json.dumps([_boot(), _kills_for_memory()])

    def set(self, content: Any) -> None:
        """`content` is JSON."""
        with suppress(OSError):
            self._note.write(f"[{self._run}, {json.dumps(content)}]\n".encode())

    def clear(self) -> None:
        with suppress(OSError):
            self._note.write(_NOTHING)

    def left(self) -> tuple[Any, bool] | None:
        """What the run before was learning when its process died, and whether the kernel has killed a process
        for want of memory since that run began; None where it was learning nothing, or the machine died."""
        with suppress(OSError, ValueError, TypeError):
            text = self._note.read().partition(b"\n")[0]
            (boot, kills), content = json.loads(text)
            if boot == _boot():
                return content, kills < _kills_for_memory()
        return None

    def close(self) -> None:
        self._note.close()


class FailureRecord:
    """A small sealed file that is replaced as a whole: at any instant the old one or the new one. What it was
    told to set aside has had its dead letter, and must not be learned as well for one changed bit."""

    def __init__(self, path: Path, *, disk: Disk = LOCAL_DISK) -> None:
        self._path = path
        self._disk = disk

    def load(self) -> list[list[Any]]:
        """The rows that were saved last; none where they cannot be read, which the log says."""
        try:
            saved = sealed_lines.from_bytes(self._disk.read(self._path), "messages")
            return [list(row) for row in saved["messages"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s cannot be read: failures are counted anew (%s)", self._path, error)
            return []

    def save(self, rows: list[list[Any]]) -> None:
        """Durable when it returns. Raises `CheckpointError` where the disk refuses."""
        with explained("a failure while learning cannot be noted", self._path.parent, disk=self._disk):
            replace_file(self._path, sealed_lines.to_bytes({"messages": rows}), disk=self._disk)


def fatal_signal(path: Path) -> str:
    """The first lines that Python wrote into `path` when a signal such as SIGSEGV ended the run before
    (`faulthandler`), once; empty where none did."""
    with suppress(OSError):
        text = path.read_text(errors="replace").strip()
        if text:
            os.truncate(path, 0)
        return "; ".join(line.strip() for line in text.splitlines()[:_LINES_SHOWN] if line.strip())
    return ""


def _boot() -> str:
    """Of this start of the machine; empty where it has no name."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _kills_for_memory() -> int:
    """Processes that the kernel has killed for want of memory since the machine started."""
    try:
        counts = dict(line.split() for line in _KERNEL_COUNTS.read_text().splitlines())
        return int(counts["oom_kill"])
    except (OSError, ValueError, KeyError):
        return 0
