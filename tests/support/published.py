"""A store of a cluster with a version in it."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from streamlearner import Learner
from streamlearner.cluster.store import Store
from streamlearner.cluster.versions import PublishedVersions


def published(store: Store) -> None:
    """A first version: of some digits."""
    digits, aside = load_digits(), store.aside()
    learner = Learner(memory_budget="16 KiB", seed=0)
    learner.learn_many((digits.images[:60] * 15).astype(np.uint8), digits.target[:60])
    learner.save(aside)
    assert PublishedVersions(store).publish(aside, 1)
