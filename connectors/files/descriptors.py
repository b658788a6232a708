"""Where no file descriptor is left nothing is wrong with a file: it is waited for, as for a lost broker."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from typing import TypeVar

from streamlearner.errors import SourceUnreachable

T = TypeVar("T")
log = logging.getLogger(__name__)

AGAIN_S = 0.2
_PROBED = 3  # descriptors that a look into nested folders takes at a time
_SHORT = (errno.EMFILE, errno.ENFILE)


class OutOfDescriptors(Exception):
    """A file could not be opened just now; nothing was read, and the place is as it was."""


def refuse_if_short(error: OSError) -> None:
    """Raises `OutOfDescriptors` where that is what the error means."""
    if error.errno in _SHORT:
        raise OutOfDescriptors(str(error)) from error


def refuse_to_look() -> None:
    """Raises `OutOfDescriptors` where none is left: `glob` would just find nothing."""
    taken = []
    try:
        for _ in range(_PROBED):
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        refuse_if_short(error)
        raise
    finally:
        for file in taken:
            os.close(file)


def _is_short(error: BaseException | None) -> bool:
    """Whether that is the cause of an error, whatever was said about it since."""
    while error is not None:
        if isinstance(error, OutOfDescriptors) or (isinstance(error, OSError) and error.errno in _SHORT):
            return True
        error = error.__cause__ or error.__context__
    return False


class Shortage:
    """Whether a source lacks descriptors now; told in the log when it begins."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self.lasts = False
        self.interrupted = False  # from any thread: `wait` is to give up

    def wait(self, attempt: Callable[[], T], *, sleep: Callable[[float], None]) -> T:
        """What `attempt` returns, made again while there is no descriptor for it. Raises `SourceUnreachable`
        once interrupted."""
        while True:
            try:
                found = attempt()
            except Exception as error:
                if not _is_short(error):
                    raise
                if self.interrupted:
                    raise SourceUnreachable(
                        f"{self._name}: stopped while no file descriptor is left"
                    ) from None
            else:
                self.end()
                return found
            self.begin()
            sleep(AGAIN_S)

    def begin(self) -> None:
        if not self.lasts:
            log.warning("%s: no file descriptor is left (ulimit -n): it is waited for", self._name)
        self.lasts = True

    def end(self) -> None:
        self.lasts = False
