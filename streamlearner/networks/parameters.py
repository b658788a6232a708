"""How many bits the parameters and buffers of a module are."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


def parameter_bits(module: nn.Module, *, without: Sequence[str]) -> dict[str, int]:
    """By top-level submodule, or own parameter or buffer; `without` submodules of these dotted names."""
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    bits, left_out = {name: 8 * it.nbytes for name, it in own}, tuple(f"{each}." for each in without)
    for part, child in module.named_children():
        if part not in without:  # whose state would be a copy of all that they hold
            held = child.state_dict(prefix=f"{part}.").items()
            bits[part] = sum(8 * tensor.nbytes for name, tensor in held if not name.startswith(left_out))
    return bits
