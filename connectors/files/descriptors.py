"""Where no file descriptor is left nothing is wrong with a file: it is waited for, as for a lost broker."""

from __future__ import annotations

import errno
import logging

log = logging.getLogger(__name__)


class OutOfDescriptors(Exception):
    """A file could not be opened just now; nothing was read, and the place is as it was."""


def refuse_if_short(error: OSError) -> None:
    """Raises `OutOfDescriptors` where that is what the error means."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise OutOfDescriptors(str(error)) from error


class Shortage:
    """Whether a source lacks descriptors now; told in the log when it begins."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self.lasts = False

    def begin(self) -> None:
        if not self.lasts:
            log.warning("%s: no file descriptor is left (ulimit -n): it is waited for", self._name)
        self.lasts = True

    def end(self) -> None:
        self.lasts = False
