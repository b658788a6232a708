"""What a checkpoint holds of a learner that is one of several: what a merge reads, and the rest in a file of
its own, which then need not be moved.

Files, not parts of files: the manifest has the digest of each file as a whole, so what is read alone is
verified, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from streamlearner.merging.contract import Mergeable

METHOD, NOT_MERGED = "method", "not_merged"
NOT_READ = (NOT_MERGED, "intake", "missing")
"""Files of a checkpoint that nothing is merged from."""

Files = dict[str, dict[str, Tensor]]


def apart(files: Files, method: nn.Module) -> Files:
    """Tensors by file, with what `merge` does not read in one more file."""
    if not isinstance(method, Mergeable):
        return files
    rest = _of(files[METHOD], method.not_merged)
    merged = {name: tensor for name, tensor in files[METHOD].items() if name not in rest}
    return files | {METHOD: merged, NOT_MERGED: rest}


def joined(files: Files) -> Files:
    """The same with all of the method in one, as other checkpoints have it."""
    return files | {METHOD: files[METHOD] | files.get(NOT_MERGED, {})}


def restore_merged(method: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """A fresh method takes over what `merge` reads: the rest stays fresh, whatever there is of it. Raises
    RuntimeError or KeyError for the state of another one."""
    own = cast(Mergeable, method).not_merged
    rest = _of(tensors, own)
    given = {name: tensor for name, tensor in tensors.items() if name not in rest}
    method.load_state_dict(given | _of(method.state_dict(), own))


def _of(tensors: Mapping[str, Tensor], modules: tuple[str, ...]) -> dict[str, Tensor]:
    prefixes = tuple(f"{name}." for name in modules)
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}
