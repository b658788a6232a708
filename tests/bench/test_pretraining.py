"""The association of a trial: inside the budget where it counts, or fitted to another set before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from streamlearner.associations.trellis import TrellisAssociation
from streamlearner.bench.kit import ordering
from streamlearner.bench.kit.experiment import Scope
from streamlearner.bench.kit.results import Row
from streamlearner.bench.streams.continual import Arm, ContinualExperiment
from streamlearner.bench.streams.one_pass import learn_stream
from streamlearner.bench.streams.pretraining import association_bits
from tests.support.tiny_bench import TinyBench, dataset

SMALL: dict[str, Any] = {
    "network.name": "mlp",
    "exam.fraction": 0.0,
    "evaluation.readout": False,
    "method.statistics": False,  # they would take more of a budget that has less to give to others
}
ARM = Arm(settings={**SMALL, "association.name": "transform", "association.code_bits": 50})
BUDGET = 400_000
EXPERIMENT = ContinualExperiment(
    name="total",
    protocol="Five tasks of two classes.",
    data="Rows",
    examples=120,
    classes_per_period=None,
    names_tasks=True,
    counts_association=True,
    budgets_bits=(BUDGET,),
    arms={"ours": ARM},
)


def trial_rows(experiment: ContinualExperiment, tiny: TinyBench | None = None) -> list[Row]:
    """Of all its trials with one seed."""
    scope = Scope(seeds=1, budgets_bits=None, quick=False)
    fixture = (tiny or TinyBench())(data=Path("nowhere"), download=False)
    found = [e for t in experiment.trials(scope) for e in experiment.run(t, fixture=fixture, scope=scope)]
    return [entry for entry in found if isinstance(entry, Row)]


def test_where_the_association_counts_it_is_inside_the_budget() -> None:
    apart = replace(EXPERIMENT, counts_association=False, arms={"ours": Arm(settings=SMALL)})
    (beside, *_), (inside, *_) = (trial_rows(each) for each in (apart, EXPERIMENT))
    assert beside.stored_bits < inside.stored_bits <= BUDGET
    assert inside.parameter_bits > 0


def test_tables_are_measured_before_on_the_examples_that_the_run_will_learn() -> None:
    codes = {"association.name": "trellis", "association.code_bits": 20}
    settings = {**codes, "seed": 0, "network.name": "mlp", "exam.fraction": 0.4, "memory.budget_bits": BUDGET}
    fixture = TinyBench()(data=Path("nowhere"), download=False)
    stream = ordering.ordered(
        dataset("Rows", True), seed=0, keep_one_in=1, classes_per_period=None, shuffled=False
    )
    learned: list[list[int]] = []

    class Watched(TrellisAssociation):
        def learn(self, inputs: Tensor, recollections: Tensor | None) -> None:
            learned[-1].append(len(inputs))
            super().learn(inputs, recollections)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streamlearner.associations.trellis.TrellisAssociation", Watched)
        learned.append([])
        before = association_bits(fixture, settings, stream, names_tasks=True)
        learned.append([])
        after = learn_stream(fixture, settings, stream, dataset("Rows", False), names_tasks=True)
    assert learned[0] == learned[1]
    assert 0 < sum(learned[0]) < 120  # the exam withheld some
    assert after.parameter_bits["association"] <= before


def test_an_association_may_be_fitted_to_another_set_before() -> None:
    transferred = replace(ARM, pretrained_on="Other")
    tiny = TinyBench()
    rows = trial_rows(replace(EXPERIMENT, arms={"without": ARM, "ours": transferred}), tiny)
    assert {row.arm for row in rows} == {"without", "ours"}
    assert all(row.stored_bits <= BUDGET for row in rows)
    starts = [settings.get("association.from_checkpoint") for settings in tiny.settings]
    assert starts[:3] == [None] * 3  # probe and run of `without`, then the pretraining
    assert starts[3] == starts[4] is not None  # probe and run of `ours`
    assert not Path(starts[3]).exists()
    assert tiny.settings[-1]["memory.budget_bits"] < BUDGET
