"""Adopted model versions: immutable files that a rollback can return to."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from streamlearner.errors import CheckpointError
from streamlearner.state.durable_files import sync_folder, write_file
from streamlearner.state.format_upgrade import FORMAT, check_format, upgraded_tensors

ASIDE = ".tmp-"
DESCRIPTION = "description"
"""Key of a file's metadata: JSON with `format` and `network`. Format 1 had at most the key `network`."""


@dataclass(frozen=True, slots=True)
class Version:
    """An adopted neocortex by tensor name, and which network it is; None: not written down."""

    number: int
    network: str | None
    neocortex: dict[str, Tensor]


class Versions:
    """One safetensors file for each adopted neocortex, the last `keep` of them, in `folder`.

    A version that is written again (its sleep was run again after a crash) replaces a file of equal
    content. Raises `CheckpointError` where the disk refuses, `LookupError` for a version that is not kept.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def numbers(self) -> list[int]:
        """The versions kept, oldest first."""
        return sorted(int(path.stem) for path in self.folder.glob("*.safetensors") if path.stem.isdigit())

    def save(self, version: Version) -> None:
        """Durable when it returns; then forgets the oldest beyond `keep`."""
        number, described = version.number, {"format": FORMAT, "network": version.network}
        # one key: of several, safetensors keeps no order, and equal versions are to be equal files
        metadata = {DESCRIPTION: json.dumps(described)}
        tensors = {name: t.detach().cpu().contiguous().clone() for name, t in version.neocortex.items()}
        aside = self.folder / f"{ASIDE}{number}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside.unlink(missing_ok=True)
            write_file(aside, safetensors.torch.save(tensors, metadata), lambda step: None)
            os.replace(aside, self._path(number))
            left_behind = self.folder.glob(f"{ASIDE}*")  # by a crash
            for old in (*map(self._path, self.numbers()[: -self.keep]), *left_behind):
                old.unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise CheckpointError(
                f"model version {number} was not written to {self.folder}: {error}"
            ) from error

    def load(self, number: int) -> Version:
        """A version as it was adopted, under today's names. Raises `NewerFormat` for one of later code."""
        path = self._path(number)
        if not path.exists():
            raise LookupError(f"model version {number} is not kept; kept are {self.numbers() or 'none yet'}")
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"model version {number} in {path} cannot be read: {error}") from error
        described = json.loads(metadata.get(DESCRIPTION, "{}"))
        format, network = described.get("format", 1), described.get("network", metadata.get("network"))
        check_format(format, path=path, written_by="a later version")
        return Version(number, network, upgraded_tensors(tensors, format=format))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.safetensors"
