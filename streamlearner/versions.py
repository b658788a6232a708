"""Adopted model versions: immutable files that a rollback can return to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from streamlearner.disk import sync_folder, write_file
from streamlearner.errors import CheckpointError

ASIDE = ".tmp-"


class Versions:
    """One safetensors file for each adopted neocortex, the last `keep` of them, in `folder`.

    A version that is written again (the sleep was dreamt again after a crash) replaces a file of equal
    content. Raises `CheckpointError` where the disk refuses, `LookupError` for a version that is not kept.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def numbers(self) -> list[int]:
        """The versions kept, oldest first."""
        return sorted(int(path.stem) for path in self.folder.glob("*.safetensors") if path.stem.isdigit())

    def save(self, number: int, neocortex: Mapping[str, Tensor]) -> None:
        """Durable when it returns; then forgets the oldest beyond `keep`."""
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in neocortex.items()}
        aside = self.folder / f"{ASIDE}{number}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            aside.unlink(missing_ok=True)
            write_file(aside, safetensors.torch.save(tensors), lambda step: None)
            os.replace(aside, self._path(number))
            left_behind = self.folder.glob(f"{ASIDE}*")  # by a crash
            for old in (*map(self._path, self.numbers()[: -self.keep]), *left_behind):
                old.unlink(missing_ok=True)
            sync_folder(self.folder)
        except OSError as error:
            raise CheckpointError(
                f"model version {number} was not written to {self.folder}: {error}"
            ) from error

    def load(self, number: int) -> dict[str, Tensor]:
        """The neocortex of a version, by tensor name."""
        path = self._path(number)
        if not path.exists():
            raise LookupError(f"model version {number} is not kept; kept are {self.numbers() or 'none yet'}")
        try:
            return dict(safetensors.torch.load(path.read_bytes()))
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"model version {number} in {path} cannot be read: {error}") from error

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.safetensors"
