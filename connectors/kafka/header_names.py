"""Names of headers that are no UTF-8, as a producer in C may write them: Java's client reads them with their
bytes exchanged, kafka-python calls the whole batch corrupt, and the stream could never get past it."""

from __future__ import annotations

from typing import Any

from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch

_ASCII = 0x80
_INSTEAD = ord("?")


class TolerantBatch(DefaultRecordBatch):  # type: ignore[misc]
    """The library's reader of a batch. Of a name that is no UTF-8, what is not ASCII becomes question marks:
    no such name means anything here."""

    __slots__ = ()

    def _read_msg(self) -> Any:
        while True:
            try:
                return super()._read_msg()
            except UnicodeDecodeError as error:
                if not self._mended(error):
                    raise

    def _mended(self, error: UnicodeDecodeError) -> bool:
        """The library keeps no place of the name but in its frame; another version's may not have it."""
        name, frame = error.object, error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        place = frame.tb_frame.f_locals.get("pos") if frame is not None else None
        if not isinstance(place, int) or bytes(self._buffer[place : place + len(name)]) != name:
            return False
        self._buffer[place : place + len(name)] = bytes(each if each < _ASCII else _INSTEAD for each in name)
        return True


def read_any_header_name() -> None:
    """From now on, by every consumer of the process: what has no such names is read as before."""
    memory_records.DefaultRecordBatch = TolerantBatch
