"""The store: what every process of a cluster reaches; here a folder (`object_store.py`: an object store)."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ASIDE = ".aside-"


def everything(name: str) -> bool:
    """Each file is wanted."""
    return True


class Store:
    """Files are either made once and never changed (`create`, `publish`), which fails for all but the first
    who tries, or replaced as a whole (`replace`). A reader never meets half of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.location = str(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)

    def create(self, name: str, content: Mapping[str, Any]) -> bool:
        """Makes a file unless there is one: True for one of all who try."""
        aside = self._written_aside(name, content)
        try:
            os.link(aside, self.folder / name)  # fails where the name is taken; the content is whole already
            return True
        except FileExistsError:
            return False
        finally:
            aside.unlink()

    def replace(self, name: str, content: Mapping[str, Any]) -> None:
        """Makes a file, or another content of it."""
        os.replace(self._written_aside(name, content), self.folder / name)

    def read(self, name: str) -> dict[str, Any] | None:
        """None where there is no such file."""
        try:
            return dict(json.loads((self.folder / name).read_bytes()))
        except FileNotFoundError:
            return None

    def names(self, folder: str) -> list[str]:
        """What is in a folder of the store, in order; nothing where there is none."""
        with suppress(FileNotFoundError):
            return sorted(name for name in os.listdir(self.folder / folder) if not name.startswith("."))
        return []

    def aside(self) -> Path:
        """A new folder of one's own in the store, to be published."""
        made = self.folder / f"{ASIDE}{uuid.uuid4().hex}"
        made.mkdir()
        return made

    def publish(self, aside: Path, name: str) -> bool:
        """Gives a folder its name unless that is taken: True for one of all who try. The others' is gone."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.rename(aside, target)  # onto a folder that is not empty it fails
            return True
        except OSError:
            if not target.is_dir():
                raise
            shutil.rmtree(aside)
            return False

    def plant(self, aside: Path, name: str) -> bool:
        """Gives a folder of one's own a name under which others will write; False where it is `planted`."""
        return self.publish(aside, name)

    def planted(self, name: str) -> bool:
        """Whether others write there already."""
        return bool(self.names(name))

    def take_over(self, aside: Path, name: str) -> None:
        """What the holder of a folder begins with."""
        self.publish(aside, name)

    def working(self, name: str) -> Path:
        """Where the only holder of a folder writes what is in it."""
        return self.folder / name

    def bring(self, name: str) -> None:
        """Others see what the holder has saved in `working` by now, once this returns."""

    def fetch(self, name: str, wanted: Callable[[str], bool] = everything) -> Path:
        """Where a folder, or the newest checkpoint of a holder's, can be read on this machine: those of its
        files whose names are `wanted` at least. A FileNotFoundError: it changed meanwhile, try again."""
        return self.folder / name

    def remove(self, name: str) -> None:
        """A folder that nobody reads any more, or only who is about to be told that it went."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def _written_aside(self, name: str, content: Mapping[str, Any]) -> Path:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f"{ASIDE}{uuid.uuid4().hex}"
        with aside.open("wb") as file:
            file.write(json.dumps(content, sort_keys=True).encode())
            file.flush()
            os.fsync(file.fileno())
        return aside
