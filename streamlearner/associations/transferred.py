"""Starts an association from the state of another: transfer, as in Table 4 of paper 003."""

from __future__ import annotations

import math
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from streamlearner.associations.contract import Association
from streamlearner.errors import CheckpointError, ConfigError
from streamlearner.state.durable_files import read_file
from streamlearner.state.format_upgrade import upgraded_tensors
from streamlearner.state.manifest import MANIFEST, Manifest

SETTING = "association.from_checkpoint"
_FILE, _PREFIX = "method.safetensors", "association."


def transfer(association: Association, path: Path) -> Association:
    """Loads the state found at `path`, all that the association there learned, into a fresh `association`, or
    into the one that a former version meant by its name.

    `path` is a checkpoint's directory, whose manifest is then checked, or a safetensors file: of a method
    (tensors named `association.*`) or of the association alone. Raises ConfigError where it cannot be read,
    or holds an association of another kind, input shape or length of code. Codes written by the other
    association are not transferred.
    """
    state = _state(path)
    association = association.restoring(state.keys())
    room = _code_bits(association)
    try:
        association.load_state_dict(state)
    except (RuntimeError, IndexError) as error:  # of names and shapes; of what is derived from them
        raise ConfigError(
            f"{SETTING}: {path} holds another kind of association than {type(association).__name__}, or one "
            f"of other inputs or another association.code_bits ({_brief(error)}): name one that was made "
            "with the settings of this one"
        ) from error
    if (taken := _code_bits(association)) > room + 1e-6:
        raise ConfigError(
            f"{SETTING}: codes of {path} take {taken:.0f} bits, more than the {room:.0f} of this "
            "association: name one that was made with the same association.code_bits"
        )
    return association


def _state(path: Path) -> dict[str, Tensor]:
    """The tensors of the association at `path`."""
    try:
        content, format = _content(path)
        tensors = upgraded_tensors(safetensors.torch.load(content), format=format)
    except (CheckpointError, SafetensorError) as error:
        raise ConfigError(
            f"{SETTING}: {_brief(error)}: expected the directory of an intact checkpoint, such as "
            f"checkpoints/00000007 under a state_dir, or a safetensors file; found {path}"
        ) from error
    named = {name.removeprefix(_PREFIX): t for name, t in tensors.items() if name.startswith(_PREFIX)}
    if not named and path.is_dir():
        raise ConfigError(f"{SETTING}: the method of {path} has no association that learns: name another")
    return named or tensors


def _content(path: Path) -> tuple[bytes, int]:
    """The bytes that hold the tensors, and their format; of a checkpoint those that its manifest vouches
    for. A file alone does not say its format: read as of the first, today's names stay what they are."""
    if not path.is_dir():
        return read_file(path), 1
    manifest = Manifest.from_bytes(read_file(path / MANIFEST), path / MANIFEST)
    return read_file(path / _FILE, manifest.files.get(_FILE)), manifest.format


def _code_bits(association: Association) -> float:
    return math.fsum(map(math.log2, association.radices))


def _brief(error: Exception) -> str:
    """The first two lines of torch's long lists."""
    return " ".join(str(error).split("\n\t")[:2]).strip().rstrip(". ")
