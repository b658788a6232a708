"""Whether a mirrored image is still of its class, by what statistics answer, which are never shown any."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from streamlearner.statistics.statistics import Statistics

LEAST = 40
"""Images that must be compared: four batches of ten in different classes."""
MOST_LOST = 0.25
"""Share of the right answers that mirror images may cost. 400 test images after 2,000: CIFAR-10 5 %, 20
classes of CIFAR-100 12 %, digits in any colour 37 %, grey digits 52 %."""
CERTAIN = 3.0
"""Standard deviations by which more answers must have turned wrong than right."""


class Mirrors(nn.Module):
    """Counts on images that come, before they are learned. `counts` [4] int64 is state: images compared,
    answered right, right but wrong in the mirror, wrong but right in the mirror.

    Where a class has a direction, as an arrow or a letter has, its mirror images are of another one.
    """

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("counts", torch.zeros(4, dtype=torch.int64))

    @property
    def refused(self) -> bool:
        """Whether images are not to be mirrored any more."""
        compared, right, lost, won = self.counts.tolist()
        more = lost - won
        much = max(MOST_LOST * right, CERTAIN * math.sqrt(lost + won))
        return bool(compared >= LEAST and more > much)

    @torch.no_grad()
    def compare(self, statistics: Statistics, inputs: Tensor, labels: Tensor) -> None:
        """Adds raw images [n, C, H, W] that will be learned with their `labels` [n]."""
        if len(statistics.sums.counts) < 2 or not int(statistics.sums.counts.sum()):
            return
        both = torch.cat([inputs, inputs.flip(-1)])
        found = statistics.comparable(statistics.numbers(both)).argmax(1).view(2, -1) == labels
        right, mirrored = found[0], found[1]
        added = (torch.ones_like(right), right, right & ~mirrored, mirrored & ~right)
        self.counts += torch.stack(added).sum(1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(prefix + "counts", torch.zeros_like(self.counts))  # not in 0.1.0
        super()._load_from_state_dict(state_dict, prefix, *rest)
