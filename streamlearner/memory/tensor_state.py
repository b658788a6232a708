"""Modules whose state is not their parameters: a flat dict of tensors that they make and take back as a
whole.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from streamlearner.errors import StreamlearnerError


class TensorState(nn.Module):
    """Saves through `state_dict` what `_state` gives, and hands it back to `_restore` whatever its shapes.

    `STATE` names the entries. Missing and unexpected ones are reported as for any module; what `_restore`
    objects to is reported with the module's name. Generators in its attributes are cloned by `copy.deepcopy`.
    """

    STATE: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def _state(self) -> dict[str, Tensor]:
        """One tensor for each name in `STATE`: copies, which later changes to this module do not touch."""

    @abstractmethod
    def _restore(self, state: Mapping[str, Tensor]) -> None:
        """Becomes what was saved, or raises `StreamlearnerError` with nothing changed."""

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        destination.update({prefix + name: tensor for name, tensor in self._state().items()})

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        known = {prefix + name for name in self.STATE}
        missing = sorted(known - state_dict.keys())
        missing_keys.extend(missing)
        if strict:
            unexpected_keys.extend(key for key in state_dict if key.startswith(prefix) and key not in known)
        if missing:
            return
        try:
            self._restore({name: state_dict[prefix + name] for name in self.STATE})
        except StreamlearnerError as error:
            error_msgs.append(f"{prefix or type(self).__name__}: {error}")

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        clone = type(self).__new__(type(self))
        memo[id(self)] = clone
        for value in self.__dict__.values():
            if isinstance(value, torch.Generator):
                memo.setdefault(id(value), value.clone_state())
        clone.__dict__ = copy.deepcopy(self.__dict__, memo)
        return clone


def restore_generator(generator: torch.Generator, state: Tensor) -> None:
    """Sets a saved state. Raises `StreamlearnerError` for what is none."""
    try:
        generator.set_state(state.cpu())
    except (RuntimeError, TypeError) as error:
        raise StreamlearnerError(
            f"generator: not the state of a torch generator on this device ({error})"
        ) from error
