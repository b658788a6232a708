"""Where no file descriptor is left, files are waited for: nothing is lost, and nothing ends."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.connectors.files.images import ImageFolderSource
from streamlearner.connectors.files.json_lines import JsonLinesSource
from streamlearner.stream import Message, Source

COUNT = 9


class Descriptors:
    """Every opening of a file to read fails while there are none `left`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
        self.left, self.code, whole = True, code, Path.open

        def open_file(path: Path, *words: Any, **named: Any) -> Any:
            if not self.left:
                raise OSError(self.code, "Too many open files", str(path))
            return whole(path, *words, **named)

        monkeypatch.setattr(Path, "open", open_file)


@pytest.fixture(params=[errno.EMFILE, errno.ENFILE], ids=["of the process", "of the machine"])
def descriptors(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Descriptors:
    return Descriptors(monkeypatch, request.param)


def lines(folder: Path, follow: bool) -> Source:
    for file in range(3):
        (folder / f"{file}.jsonl").write_bytes(b"".join(b'{"n": %d}\n' % (3 * file + n) for n in range(3)))
    return JsonLinesSource(folder / "*.jsonl", follow=follow, sleep=lambda s: None)


def images(folder: Path) -> Source:
    (folder / "cat").mkdir()
    for number in range(COUNT):
        (folder / "cat" / f"{number}.png").write_bytes(b"%d" % number)
    return ImageFolderSource(folder, sleep=lambda s: None)


SOURCES = {
    "lines": lambda folder: lines(folder, follow=False),
    "lines that grow": lambda folder: lines(folder, follow=True),
    "images": images,
}


def polled(source: Source, rounds: int) -> Iterator[Message]:
    for _ in range(rounds):
        yield from source.poll(2, 0.01)


@pytest.mark.parametrize("kind", SOURCES)
def test_a_file_that_cannot_be_opened_for_want_of_descriptors_is_read_later(
    kind: str, descriptors: Descriptors, tmp_path: Path
) -> None:
    source = SOURCES[kind](tmp_path)
    source.open(None)
    calm = SOURCES[kind](tmp_path / "calm") if (tmp_path / "calm").mkdir() is None else source
    calm.open(None)
    whole = [message.value for message in polled(calm, 12)]
    taken = [message.value for message in polled(source, 1)]
    descriptors.left = False
    taken += [message.value for message in polled(source, 5)]
    assert len(taken) < COUNT and not source.connected and not source.exhausted
    assert source.lag() in ({}, {0: COUNT - len(taken)})
    descriptors.left = True
    taken += [message.value for message in polled(source, 12)]
    assert taken == whole and len(whole) == COUNT
    assert source.connected
