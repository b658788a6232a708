"""The planner's numbers are those of a real memory and a real association; its errors say what works."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from streamlearner.app import measure_for, statistics_for
from streamlearner.app.learning import make_association, make_memory, make_method
from streamlearner.associations.contract import Association
from streamlearner.associations.gumbel import GumbelAssociation, parameter_bits
from streamlearner.config.loading import Config, load
from streamlearner.errors import ConfigError
from streamlearner.memory.code_size import COLOUR_BITS, association_for, code_bits_for
from streamlearner.memory.plan import Coding, Measured, Plan
from streamlearner.memory.planner import Planner
from streamlearner.memory.reservoir import RecollectionMemory
from streamlearner.methods.base import Experience, Rng
from streamlearner.methods.recollection_replay import RecollectionReplay

DIGITS, COLOUR, FEATURES = (1, 28, 28), (3, 32, 32), (64,)
KIB = 8 * 2**10


def planner(shape: tuple[int, ...], budget_bits: int, **settings: Any) -> Planner:
    return Planner(budget_bits=budget_bits, input_shape=shape, measure=measure_for(shape), **settings)


def real(plan: Plan, shape: tuple[int, ...]) -> tuple[Association, RecollectionMemory]:
    """What a daemon makes of the settings that the plan ends with."""
    config: Config = load(path=None, settings=plan.settings, environ={})
    dtype = torch.uint8 if len(shape) == 3 else torch.float32
    association = make_association(config, input_shape=shape, dtype=dtype, rng=Rng(seed=0))
    return association, make_memory(config, association=association)


def fill(memory: RecollectionMemory, *, classes: int, tasks: int) -> None:
    """More records than it holds, of every class and task, all symbols 0."""
    count = memory.capacity + 50
    labels = torch.arange(count) % classes
    named = torch.arange(count) % tasks if tasks else None
    memory.insert(torch.zeros(count, len(memory.radices), dtype=torch.int64), labels, named)


CASES: list[tuple[tuple[int, ...], int, str, dict[str, Any]]] = [
    (DIGITS, 42_720, "auto", {}),
    (DIGITS, 42_720, "auto", {"recollections": 1000}),
    (DIGITS, 5 * KIB, "gumbel", {"code_bits": 38}),
    (DIGITS, 100_003, "raw", {}),
    (COLOUR, 20 * KIB, "auto", {}),
    (COLOUR, 20 * KIB, "trellis", {"recollections": 500}),
    (COLOUR, 20 * KIB, "transform", {"recollections": 500}),
    (COLOUR, 20 * KIB, "gumbel", {"recollections": 900}),
    (FEATURES, 8 * KIB, "auto", {"code_bits": 77}),
]


@pytest.mark.parametrize(("shape", "budget_bits", "association", "asked"), CASES)
@pytest.mark.parametrize(("classes", "tasks"), [(2, 0), (100, 20)])
def test_a_plan_says_what_the_real_memory_holds(
    shape: tuple[int, ...],
    budget_bits: int,
    association: str,
    asked: dict[str, Any],
    classes: int,
    tasks: int,
) -> None:
    plan = planner(shape, budget_bits, classes=classes, tasks=tasks).plan(association, **asked)
    made, memory = real(plan, shape)
    fill(memory, classes=classes, tasks=tasks)
    assert (plan.record_bits, plan.recollections) == (memory.record_bits, memory.capacity)
    assert len(memory) == plan.recollections
    assert memory._state()["records"].nbytes * 8 == plan.stored_bits <= memory.stored_bits
    assert plan.parameter_bits == made.parameter_bits()
    assert memory.stored_bits <= plan.memory_budget_bits == budget_bits


@pytest.mark.parametrize("association", ["transform", "gumbel"])
def test_with_parameters_counted_everything_is_inside_the_budget(association: str) -> None:
    budget_bits = 2_000_000
    plan = planner(DIGITS, budget_bits, counts_parameters=True).plan(association, examples=20_000)
    made, memory = real(plan, DIGITS)
    fill(memory, classes=10, tasks=0)
    assert memory.stored_bits + made.parameter_bits() <= budget_bits
    assert plan.memory_budget_bits == budget_bits - made.parameter_bits()
    assert (plan.record_bits, plan.recollections) == (memory.record_bits, memory.capacity)


def test_where_the_usual_association_alone_fills_the_budget_auto_takes_a_smaller_one() -> None:
    asked = planner(COLOUR, 200_000, classes=100, counts_parameters=True)
    with pytest.raises(ConfigError, match=r"beside .* bits of the association's parameters"):
        asked.plan("trellis")
    plan = asked.plan()
    assert plan.association == "transform"
    assert plan.parameter_bits + plan.stored_bits <= 200_000
    assert plan.recollections > 100


@pytest.mark.parametrize("shape", [DIGITS, (3, 20, 11), FEATURES])
def test_a_gumbel_association_is_measured_without_being_made(shape: tuple[int, ...]) -> None:
    made = GumbelAssociation(input_shape=shape, variables=9, levels=3, generator=torch.Generator())
    assert parameter_bits(input_shape=shape, variables=9, levels=3) == made.parameter_bits()


def test_so_many_recollections_leave_the_longest_code_that_fits() -> None:
    for association in ("transform", "gumbel"):
        for kept in (300, 3001):
            asked = planner(COLOUR, 20 * KIB, classes=100)
            plan = asked.plan(association, recollections=kept)
            assert plan.recollections >= kept
            longer = asked.plan(association, code_bits=plan.code_bits + 1)
            assert longer.recollections < kept


def by_width(coding: Coding) -> Measured:
    """Parameters that grow as the square of c * l, as the paper's do."""
    return Measured((coding.levels,) * coding.variables, 32 * (coding.variables * coding.levels) ** 2)


def test_the_best_code_is_the_best_of_all_that_fit() -> None:
    """Eq. (3) and (4), by trying every c and every l."""
    for counts_parameters in (False, True):
        asked = Planner(
            budget_bits=100_000,
            input_shape=COLOUR,
            measure=by_width,
            counts_parameters=counts_parameters,
        )
        plan = asked.plan("gumbel", recollections=2_000)
        sizes = [(c, levels) for c in range(1, 48) for levels in range(2, 9)]
        every = [Coding(association="gumbel", variables=c, levels=levels) for c, levels in sizes]
        fitting = [coding for coding in every if asked._room(by_width(coding)) >= 2_000]
        best = max(coding.variables * math.log2(coding.levels) for coding in fitting)
        assert plan.capacity_bits == pytest.approx(best)
        assert plan.settings["association.levels"] == (3 if counts_parameters else 2)


def test_the_papers_own_sizes_follow_from_its_budgets() -> None:
    """Appendix A.4: 48 and 244 variables of 2 levels at the bits of 10 and 50 images; we count labels too."""
    for images, variables in ((10, 48), (50, 244)):
        plan = planner(COLOUR, images * 24_576, classes=100).plan("gumbel", examples=50_000)
        label_bits = 7
        assert plan.simple_binary_bits + label_bits == pytest.approx(variables, rel=0.03)
        assert plan.stored_fraction == pytest.approx(0.1, abs=0.005)


def test_the_share_of_the_stream_is_told_where_its_length_is_known() -> None:
    plan = planner(DIGITS, 42_720).plan(examples=10_000)
    assert plan.stored_fraction == plan.recollections / 10_000
    assert plan.bits_per_example == 4.272
    assert planner(DIGITS, 42_720).plan(examples=100).stored_fraction == 1.0
    assert planner(DIGITS, 42_720).plan().stored_fraction is None


@pytest.mark.parametrize(
    ("asked", "settings"),
    [
        ({}, {}),
        ({"code_bits": 90}, {"counts_parameters": True}),
        ({"recollections": 5_000}, {}),
        ({"recollections": 5_000}, {"counts_parameters": True}),
    ],
)
def test_a_budget_too_small_names_the_least_that_works(
    asked: dict[str, Any], settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="least that works is") as refused:
        planner(DIGITS, 80, **settings).plan(**asked)
    least = int(str(refused.value).split()[-2].replace(",", ""))
    assert planner(DIGITS, least, **settings).plan(**asked).recollections >= asked.get("recollections", 1)
    with pytest.raises(ConfigError, match=f"the least that works is {least:,} bits"):
        planner(DIGITS, least - 8, **settings).plan(**asked)


# the budget alone


def test_what_was_measured_is_what_the_budget_alone_gives() -> None:
    """The code sizes that experiments chose, at their budgets; between them straight lines."""
    for budget_bits, bits in COLOUR_BITS:
        assert code_bits_for("trellis", input_shape=COLOUR, budget_bits=budget_bits) == bits
    (least, shortest), *_, (most, longest) = COLOUR_BITS
    assert code_bits_for("trellis", input_shape=COLOUR, budget_bits=least // 9) == shortest
    assert code_bits_for("trellis", input_shape=COLOUR, budget_bits=most * 9) == longest
    for budget_bits, bits in ((62_720, 100), (313_600, 140)):
        assert code_bits_for("thumbnail", input_shape=DIGITS, budget_bits=budget_bits) == bits
    assert code_bits_for("transform", input_shape=FEATURES, budget_bits=62_720) == 128


def test_a_larger_budget_never_keeps_fewer_recollections() -> None:
    kept = [planner(COLOUR, budget).plan().recollections for budget in range(100_000, 6_000_000, 590_000)]
    assert kept == sorted(kept)


@pytest.mark.parametrize(
    ("shape", "name"),
    [(DIGITS, "thumbnail"), ((1, 15, 28), "transform"), (COLOUR, "trellis"), (FEATURES, "transform")],
)
def test_auto_names_the_association_by_shape(shape: tuple[int, ...], name: str) -> None:
    assert association_for("auto", input_shape=shape) == name
    assert planner(shape, 64 * KIB).plan().association == name


@pytest.mark.parametrize("shape", [DIGITS, COLOUR, FEATURES])
def test_a_daemon_given_a_budget_alone_makes_what_the_plan_says(shape: tuple[int, ...]) -> None:
    plan = planner(shape, 30 * KIB).plan()
    config = load(path=None, settings={"memory.budget_bits": "30 KiB"}, environ={})
    made = make_association(
        config,
        input_shape=shape,
        dtype=torch.uint8 if len(shape) == 3 else torch.float32,
        rng=Rng(seed=0),
    )
    assert make_memory(config, association=made).radices == real(plan, shape)[1].radices


@pytest.mark.parametrize("budget_bits", [62_720, 64 * KIB])
def test_once_a_network_answers_the_method_remembers_what_the_plan_says(budget_bits: int) -> None:
    asked = planner(DIGITS, budget_bits, statistics=statistics_for(DIGITS, classes=10))
    plan = asked.plan()
    config = load(path=None, settings=plan.settings, environ={})
    method = make_method(config, input_shape=DIGITS, dtype=torch.uint8)
    assert isinstance(method, RecollectionReplay)
    method.observe(Experience(torch.zeros(10, *DIGITS, dtype=torch.uint8), torch.arange(10)))
    method.answering.settle()
    method.memory.resize(method.answering.bits_for_recollections)
    assert method.memory.capacity == plan.recollections
    assert budget_bits - method.answering.bits_for_recollections == plan.statistics_bits
    assert (plan.statistics_bits > 0) == (budget_bits == 64 * KIB)


def test_the_least_that_works_leaves_room_for_statistics_too() -> None:
    asked = planner((1, 8, 8), 64 * KIB, statistics=statistics_for((1, 8, 8), classes=10))
    with pytest.raises(ConfigError, match="the least that works is") as refused:
        asked.plan("raw", recollections=1_000)  # 516,000 bits: they would fit alone
    least = int(str(refused.value).rsplit(" ", 2)[1].replace(",", ""))
    assert least > 64 * KIB
    enough = planner((1, 8, 8), least, statistics=asked.statistics)
    assert enough.plan("raw", recollections=1_000).recollections >= 1_000
    with pytest.raises(ConfigError):
        planner((1, 8, 8), least - 8, statistics=asked.statistics).plan("raw", recollections=1_000)
