"""What a candidate shares with the method: how it is saved without it, and restored."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from streamlearner.memory.lendable import whole_records
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import DualMemory


def memories(candidate: DualMemory) -> dict[str, RecollectionMemory]:
    """The recollection memories that it reads of the method's, by dotted name."""
    return {name: part for name, part in _lent(candidate) if isinstance(part, RecollectionMemory)}


def shared(candidate: DualMemory) -> dict[str, nn.Module]:
    """Those of the method's submodules that are its own, too, by dotted name."""
    return {name: part for name, part in _lent(candidate) if not isinstance(part, RecollectionMemory)}


def _lent(candidate: DualMemory) -> Iterator[tuple[str, nn.Module]]:
    modules = dict(candidate.named_modules())
    return ((name, modules[name]) for name in candidate.lent if name in modules)


def own_state(candidate: DualMemory) -> dict[str, Tensor]:
    """Copies of all that is not lent to it, and the frames of its memories."""
    left_out: dict[int, Any] = {id(part): nn.Identity() for _, part in _lent(candidate)}
    state: dict[str, Tensor] = copy.deepcopy(candidate, left_out).state_dict()
    for name, memory in memories(candidate).items():
        state |= {f"{name}.{part}": tensor for part, tensor in memory.frame().items()}
    return state


def set_aside(candidate: DualMemory) -> dict[str, Tensor]:
    """What its memories hold alone: the rest is in the method's own."""
    parts = {name: memory.set_aside() for name, memory in memories(candidate).items()}
    return {f"{name}.{part}": tensor for name, found in parts.items() for part, tensor in found.items()}


def restore(
    candidate: DualMemory,
    start: Mapping[str, Tensor],
    *,
    method: DualMemory,
    method_state: Mapping[str, Tensor],
    aside: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Makes a fresh `candidate` what it was when its `own_state` was `start`, with `aside` what was set aside
    since, and `method` the one that was saved with it as `method_state`. Returns the `own_state`.

    Checkpoints that were written before candidates shared anything have all of it in `start`; so it stays,
    but for recollections that `method` still holds.
    """
    whole = _part(method_state, shared(candidate), besides=start) | dict(start)
    for name in memories(candidate):
        if f"{name}.records" not in start:
            frame, source = (_within(state, name) for state in (start, method_state))
            whole[f"{name}.records"] = whole_records(frame, _within(aside, name), source)
    candidate.load_state_dict(whole)
    for name in shared(candidate):
        if not _within(start, name):
            parent, _, child = name.rpartition(".")
            setattr(candidate.get_submodule(parent), child, method.get_submodule(name))
    lenders = memories(method)
    for name, memory in memories(candidate).items():
        memory.borrow(lenders[name], aside.get(f"{name}.places"))
    records = {f"{name}.records" for name in memories(candidate)}
    return {name: tensor for name, tensor in start.items() if name not in records}


def _part(
    state: Mapping[str, Tensor], modules: Iterable[str], *, besides: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The state of these submodules, where there is none of it in `besides`."""
    missing = [f"{name}." for name in modules if not _within(besides, name)]
    return {name: tensor for name, tensor in state.items() if name.startswith(tuple(missing))}


def _within(state: Mapping[str, Tensor], module: str) -> dict[str, Tensor]:
    """The state of this submodule, by its own names."""
    prefix = f"{module}."
    return {name.removeprefix(prefix): part for name, part in state.items() if name.startswith(prefix)}


def dream_bits(candidate: DualMemory) -> int:
    """Bits of what was experienced that it holds beside the method."""
    both = sum(int(getattr(part, "stored_bits", 0)) for part in shared(candidate).values())
    return sum(candidate.stored_bits().values()) - both
