"""A network's state under other class indices."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from streamlearner.networks.base import Network


def state_with_rows_at(network: Network, places: Sequence[int]) -> dict[str, Tensor]:
    """Its state, but that what the head has for class `k` stands at `places[k]`."""
    state, rows = network.state_dict(), max(network.head.rows, 1 + max(places, default=0))
    for name in ("head.weight", "head.bias"):
        moved = state[name].new_zeros(rows, *state[name].shape[1:])
        moved[list(places)] = state[name][: len(places)]
        state[name] = moved
    return state
