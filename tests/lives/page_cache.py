"""What a power cut leaves of files and folders: after ALICE (Pillai et al., OSDI 2014).

What is written goes to a page cache. A sync of a file makes its bytes durable, a sync of a folder its names.
What no sync has covered survives a power cut or does not, each sector and each name for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

from streamlearner.state.manifest import MANIFEST

SECTOR = 512
NOTE = "learning"
"""A file that means nothing after another boot."""
_inodes = count(1)


@dataclass(slots=True, eq=False)
class File:
    data: bytearray = field(default_factory=bytearray)
    synced: int = 0  # so many bytes are durable
    gone: int = 0  # but for so many, whose sync failed
    modified_ns: int = 0
    damaged: bool = False
    inode: int = field(default_factory=lambda: next(_inodes))


@dataclass(slots=True, eq=False)
class Folder:
    names: dict[str, File | Folder] = field(default_factory=dict)
    durable: dict[str, File | Folder] = field(default_factory=dict)
    inode: int = field(default_factory=lambda: next(_inodes))


Edit = tuple[Folder, str, "File | Folder | None"]
"""A name in a folder means this now, or nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Edits that happen together, or not at all, to names of `moved`."""

    moved: File | Folder
    edits: tuple[Edit, ...]


def apply(edits: tuple[Edit, ...], *, durable: bool) -> None:
    for folder, name, meaning in edits:
        names = folder.durable if durable else folder.names
        if meaning is None:
            names.pop(name, None)
        else:
            names[name] = meaning


def settle(folder: Folder, rng: Random, share: float) -> None:
    """The cache is empty: it knows what the disk has."""
    folder.names = dict(folder.durable)
    for name, found in sorted(folder.names.items()):
        if isinstance(found, Folder):
            settle(found, rng, share)
        elif name == NOTE:  # of another boot, and so of no use
            found.data.clear()
        elif found.synced < len(found.data) or found.gone:
            _tear(found, rng, share)


def _tear(file: File, rng: Random, share: float) -> None:
    """Sectors that no sync has covered stay, or are zero; the end may be missing."""
    first, end = (0 if file.gone else file.synced), len(file.data)
    for start in range(first, end, SECTOR):
        if rng.random() >= share:
            stop = min(end, start + SECTOR)
            file.data[start:stop] = bytes(stop - start)
    if rng.random() >= share:
        del file.data[rng.randint(first, end) :]
    file.synced, file.gone = len(file.data), 0


def flip(root: Folder, rng: Random, *, keep: int, wanted: str | None) -> None:
    """Changes one bit of a model version, or of a checkpoint unless no other of the newest `keep` would be
    whole, or it is the one `wanted` by who goes back to it."""
    files = [(path, file) for path, file in files_in(root) if file.data and ".tmp-" not in path]
    damaged = {path.rpartition("/")[0] for path, file in files if file.damaged}
    checkpoints = sorted(path.rpartition("/")[0] for path, _ in files if path.endswith(MANIFEST))
    newest = [path for path in checkpoints if "rolled-back" not in path][-keep:]
    whole = [path for path in newest if path not in damaged]
    spared = tuple(whole[:1] if len(whole) == 1 else []) + ((wanted,) if wanted else ())
    chosen = [(path, file) for path, file in files if not path.startswith(spared)]
    if whole and rng.random() < 0.5:  # what the next start reads first
        chosen = [(path, file) for path, file in chosen if path.startswith(whole[-1])] or chosen
    if chosen:
        _, file = chosen[rng.randrange(len(chosen))]
        file.data[rng.randrange(len(file.data))] ^= 1 << rng.randrange(8)
        file.damaged = True


def files_in(folder: Folder, path: str = "") -> Iterator[tuple[str, File]]:
    """All that are there, by path."""
    for name, found in sorted(folder.names.items()):
        if isinstance(found, Folder):
            yield from files_in(found, f"{path}/{name}")
        else:
            yield f"{path}/{name}", found
