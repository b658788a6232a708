"""The store of a cluster in an object store, by fsspec: objects that are made once, and objects that are
replaced."""

from __future__ import annotations

import json
import shutil
import tempfile
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from streamlearner.cluster.store import Store, everything
from streamlearner.errors import ConfigError
from streamlearner.state.manifest import MANIFEST

CONDITIONAL = ("s3", "s3a", "memory")
"""File systems of which `create` is known to be refused to all but the first: S3's `If-None-Match`. That of
others may look whether there is one and then write, which two can do at once."""
POINTER, PLANTING, CONTENT, WRITER = ".at", ".planting", ".published", "written_by"
TAKEN, CONFLICT = "PreconditionFailed", "ConditionalRequestConflict"
"""What S3 answers where there is such an object, and where one is being made just now."""
TRIES = 20
"""To make an object while another is being made of its name; to fetch what its holder has just pruned."""
KEPT_HERE = 2
"""Published folders that stay on this machine, once they were fetched."""


class ObjectStore(Store):
    """An object appears whole or not at all, so nothing is written aside. A folder is many objects: what is
    published stands under a name of its own, to which one object points that is made once; a holder's
    checkpoint counts once its manifest is there, which comes last.

    Holders work in a folder of their process (`working`), which goes with it, or with this object, as does
    all that was fetched: what was not brought (`bring`) is learned again.
    """

    def __init__(self, url: str) -> None:
        """Raises ConfigError where fsspec, or a package that it asks for, is missing, or two could make one
        object."""
        self.location = url.rstrip("/")
        self._files, self._root = _file_system(self.location)
        self._scratch = tempfile.TemporaryDirectory(prefix="streamlearner-")
        self._here = Path(self._scratch.name)
        self._fetched: set[str] = set()
        self._brought: dict[str, set[str]] = {}

    def create(self, name: str, content: Mapping[str, Any]) -> bool:
        data = json.dumps({**content, WRITER: (writer := uuid.uuid4().hex)}, sort_keys=True).encode()
        for _ in range(TRIES):
            try:
                self._files.pipe_file(self._at(name), data, mode="create")
                return True
            except OSError as error:
                if _is_taken(error):  # perhaps by us: a request whose answer was lost is sent again
                    return (self._object(name) or {}).get(WRITER) == writer
                if _code(error) != CONFLICT:
                    raise
        return False

    def replace(self, name: str, content: Mapping[str, Any]) -> None:
        self._files.pipe_file(self._at(name), json.dumps(content, sort_keys=True).encode())

    def read(self, name: str) -> dict[str, Any] | None:
        found = self._object(name)
        return None if found is None else {key: value for key, value in found.items() if key != WRITER}

    def names(self, folder: str) -> list[str]:
        self._files.invalidate_cache()
        found: set[str] = set()
        with suppress(FileNotFoundError):
            listed = self._files.ls(self._at(folder), detail=False)
            found = {PurePosixPath(path).name.removesuffix(POINTER) for path in listed}
        return sorted(name for name in found if not name.startswith("."))

    def aside(self) -> Path:
        return Path(tempfile.mkdtemp(prefix="aside-", dir=self._here))

    def publish(self, aside: Path, name: str) -> bool:
        content = f"{CONTENT}/{uuid.uuid4().hex}"
        self._upload(aside, content)
        shutil.rmtree(aside)
        if self.create(name + POINTER, {"at": content}):
            return True
        self._files.rm(self._at(content), recursive=True)
        return False

    def plant(self, aside: Path, name: str) -> bool:
        if self.planted(name):
            return False
        self.replace(f"{name}/{PLANTING}", {})
        self._upload(aside, name)
        shutil.rmtree(aside)
        self._files.rm_file(self._at(f"{name}/{PLANTING}"))
        return True

    def planted(self, name: str) -> bool:
        return bool(self.names(name)) and self.read(f"{name}/{PLANTING}") is None

    def take_over(self, aside: Path, name: str) -> None:
        target = self.working(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(aside, target)
        self.bring(name)

    def working(self, name: str) -> Path:
        return self._here / "held" / name

    def bring(self, name: str) -> None:
        own = self.working(name)
        if (there := self._brought.get(name)) is None:
            there = set(self.names(f"{name}/checkpoints"))
        here = {path.name: path for path in own.glob("checkpoints/[0-9]*") if (path / MANIFEST).is_file()}
        for number in sorted(set(here) - there):
            with suppress(FileNotFoundError):  # it was pruned meanwhile
                self._upload(here[number], f"{name}/checkpoints/{number}")
        for number in sorted(there - set(here)) if here else ():
            self._remove(f"{name}/checkpoints/{number}")
        self._brought[name] = set(here) or there

    def fetch(self, name: str, wanted: Callable[[str], bool] = everything) -> Path:
        target = self._here / "fetched" / name
        if name in self._fetched:
            return target
        for _ in range(TRIES):
            with suppress(FileNotFoundError):  # its holder has pruned this checkpoint meanwhile
                return self._fetch(name, target, wanted)
        return self._fetch(name, target, wanted)

    def _fetch(self, name: str, target: Path, wanted: Callable[[str], bool]) -> Path:
        pointer = self.read(name + POINTER)
        content = str(pointer["at"]) if pointer else name
        found = self._find(content)
        root = self._at(content) + "/"
        if not pointer:
            found = _newest(found)
            _forget_all_but(target / "checkpoints", found)
        for file in found:
            if wanted(PurePosixPath(file).name) and not (target / file).is_file():
                self._get(root + file, target / file)
        if pointer and wanted is everything:
            self._fetched.add(name)
            self._forget_earlier(target)
        return target

    def _find(self, folder: str) -> list[str]:
        """The files in it and in its folders, by their paths within it."""
        self._files.invalidate_cache()
        root = self._at(folder)
        try:
            return [path.removeprefix(f"{root}/") for path in map(str, self._files.find(root))]
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        pointer = self.read(name + POINTER)
        if pointer:
            self._remove(name + POINTER)
        self._remove(str(pointer["at"]) if pointer else name)

    def _remove(self, name: str) -> None:
        self._files.invalidate_cache()
        with suppress(FileNotFoundError):
            self._files.rm(self._at(name), recursive=True)

    def _upload(self, folder: Path, name: str) -> None:
        """Manifests last, and claims after them: until then nobody takes the rest for whole."""
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: ("claims" in path.parts, path.name == MANIFEST)):
            self._files.pipe_file(self._at(f"{name}/{path.relative_to(folder)}"), path.read_bytes())

    def _get(self, path: str, target: Path) -> None:
        """Whole or not at all, as another thread may be reading what was fetched."""
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
        part.write_bytes(self._files.cat_file(path))
        part.replace(target)

    def _forget_earlier(self, target: Path) -> None:
        for path in sorted(target.parent.iterdir())[:-KEPT_HERE]:
            shutil.rmtree(path, ignore_errors=True)
            self._fetched.discard(str(path.relative_to(self._here / "fetched")))

    def _object(self, name: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._files.cat_file(self._at(name))))
        except FileNotFoundError:
            return None

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/")


def _is_taken(error: OSError) -> bool:
    """s3fs says FileExistsError where the answer names the condition, as that of AWS does; others' do not."""
    return isinstance(error, FileExistsError) or _code(error) == TAKEN


def _code(error: OSError) -> str:
    """Of S3's answer; nothing where there was none."""
    answer: Any = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))


def _newest(files: list[str]) -> list[str]:
    """Of a holder's folder the files of the newest checkpoint that is whole."""
    numbers = [PurePosixPath(file).parts[1] for file in files if PurePosixPath(file).name == MANIFEST]
    newest = max(numbers, default=None)
    return [file for file in files if PurePosixPath(file).parts[:2] == ("checkpoints", newest)]


def _forget_all_but(folder: Path, files: list[str]) -> None:
    kept = {PurePosixPath(file).parts[1] for file in files}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _file_system(url: str) -> tuple[Any, str]:
    scheme = url.partition("://")[0]
    if scheme not in CONDITIONAL:
        raise ConfigError(
            f"cluster.store: {url}: of {scheme} it is not known that one object can be made once; take a "
            "shared folder or s3://"
        )
    try:
        import fsspec

        files, root = fsspec.url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"cluster.store: {url}: {error}") from error
    return files, str(root).rstrip("/")
