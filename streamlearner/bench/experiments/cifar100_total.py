"""Task-incremental CIFAR-100 when the association's own tables are inside the budget (003, Table 4)."""

from __future__ import annotations

from streamlearner.bench.experiments.cifar100_incremental import OURS, TWO_HUNDRED
from streamlearner.bench.streams.continual import MEASURES, Arm, ContinualExperiment

OURS_IN_TOTAL = {**OURS, "association.code_bits": 400}
"""The length of a code is fixed: the default depends on the budget, which pretraining does not have."""

CIFAR100_TOTAL = ContinualExperiment(
    name="cifar100-total",
    protocol=(
        "Task-incremental CIFAR-100 as in cifar100-incremental, but the bits of 200 raw images are for "
        "codes, labels, tasks and the association's parameters together (stored bits has all of them; no "
        "network). ours: the association starts from its state after 20,000 training images of CIFAR-10 "
        "in one pass; ours_without_transfer: from nothing but its prior. The paper quotes, for 200 raw "
        "images, rehearsal .430, GEM .487 and iCaRL .436 (Lopez-Paz & Ranzato, 2017). The exam withholds 85 "
        f"images at most. {MEASURES}"
    ),
    data="CIFAR100",
    examples=50_000,
    classes_per_period=None,
    names_tasks=True,
    counts_association=True,
    budgets_bits=(TWO_HUNDRED,),
    quick_examples=60,
    arms={
        "ours": Arm(settings=OURS_IN_TOTAL, paper={TWO_HUNDRED: 0.497}, pretrained_on="CIFAR10"),
        "ours_without_transfer": Arm(settings=OURS_IN_TOTAL, paper={TWO_HUNDRED: 0.437}),
    },
)
