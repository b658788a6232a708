"""What one checkpoint directory holds, byte for byte: its files, and the manifest that vouches for them.

    manifest.json          canonical JSON: the fields of `Manifest`, and under "sha256" the digest of all
    these facts.json             canonical JSON: counters, label space, whatever must be remembered beside
    tensors <name>.safetensors     flat tensors

The digests find accidents (torn writes, bit rot, hand edits). They are not signatures: they stop no forger.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamlearner.errors import CheckpointError
from streamlearner.state.disk import LOCAL_DISK, Disk
from streamlearner.state.durable_files import FileDigest, read_file
from streamlearner.state.format_upgrade import FORMAT, check_format
from streamlearner.stream import Position

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who wrote a checkpoint, when, from where in the stream, and what each of its files must be.

    `created` is wall time in seconds since 1970; `examples` is how many had been learned, where the writer
    said so.
    """

    number: int
    created: float
    examples: int | None
    method: str
    config_digest: str
    code_version: str
    position: Position | None
    files: dict[str, FileDigest]
    format: int = FORMAT

    def to_bytes(self) -> bytes:
        """The content of `manifest.json`. Raises `ValueError` where the position is not JSON."""
        canonical_json(self.position, "the position")  # names the culprit
        return _sealed(asdict(self))

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Manifest:
        """Reads what `to_bytes` wrote; any other byte, and a newer format, raises `CheckpointError`, which
        names `path`."""
        try:
            fields = json.loads(data)
            del fields["sha256"]
            intact = data == _sealed(fields)
        except (ValueError, TypeError, KeyError):
            intact = False
        if not intact:
            raise CheckpointError(f"{path} is torn or altered: its content does not match its own digest")
        check_format(fields["format"], path=path, written_by=f"version {fields['code_version']}")
        fields["files"] = {name: FileDigest(**digest) for name, digest in fields["files"].items()}
        return cls(**fields)


def read_manifest(folder: Path, number: int, *, disk: Disk = LOCAL_DISK) -> Manifest:
    """The manifest in `folder`; raises `CheckpointError` unless it is intact and has that number."""
    path = folder / MANIFEST
    manifest = Manifest.from_bytes(read_file(path, disk=disk), path)
    if manifest.number != number:
        raise CheckpointError(
            f"{path} is that of checkpoint {manifest.number}: the directory was copied or renamed"
        )
    return manifest


def problems_in(folder: Path, number: int, *, disk: Disk = LOCAL_DISK) -> list[str]:
    """Every problem of the checkpoint in `folder`, in words; [] when each byte is as it was written."""
    problems = []
    try:
        for name, expected in read_manifest(folder, number, disk=disk).files.items():
            try:
                read_file(folder / name, expected, disk=disk)
            except CheckpointError as error:
                problems.append(str(error))
    except CheckpointError as error:
        problems.append(str(error))
    return problems


def canonical_json(value: Any, what: str) -> bytes:
    """The one JSON text of `value`: sorted keys, no blanks, ASCII.

    Raises `ValueError` for what would not come back the same: NaN, infinity, tuples, keys that are not
    strings. A counter that came back with the key "3" instead of 3 would break the resumed run long after its
    cause.
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{what}: not JSON ({error}); use finite numbers, strings, lists and dicts"
        ) from error
    if json.loads(text) != value:
        raise ValueError(
            f"{what}: would not come back from JSON as it is; use lists, not tuples, and keys of str"
        )
    return text.encode("ascii")


def _sealed(fields: dict[str, Any]) -> bytes:
    body = canonical_json(fields, "the manifest")
    return canonical_json({**fields, "sha256": hashlib.sha256(body).hexdigest()}, "the manifest")
