"""Whether what was learned can be computed with at all."""

from __future__ import annotations

from torch import nn

from streamlearner.networks.base import Network


def not_finite(module: nn.Module) -> str | None:
    """The name of the first weight in `module`, or statistic of a network in it, that is not finite; None
    where all are. (Buffers of other modules may be infinite: the free levels of a quantiser are.)"""
    for name, weights in module.named_parameters():
        if not bool(weights.isfinite().all()):
            return name
    for path, part in module.named_modules():
        if isinstance(part, Network):
            for name, statistic in part.named_buffers(prefix=path):
                if not bool(statistic.isfinite().all()):
                    return name
    return None
