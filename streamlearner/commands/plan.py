"""`streamlearner plan`: what a budget holds, and the settings that make it so."""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlearner.registry.associations import ASSOCIATIONS
from streamlearner.registry.part import UnknownPart
from streamlearner.registry.section import parse_bits

AUTO = "auto"

if TYPE_CHECKING:
    from streamlearner.memory.plan import Plan


def _bits(text: str) -> int:
    try:
        bits: int = parse_bits(text)
    except ValueError as error:
        raise typer.BadParameter(f"expected {error}") from None
    return bits


def _association(name: str) -> str:
    try:
        return name if name == AUTO else ASSOCIATIONS.find(name).name
    except UnknownPart as error:
        raise typer.BadParameter(str(error)) from None


def _shape(text: str) -> tuple[int, ...]:
    """`3,32,32`, `3x32x32` or `64`."""
    sides = [side.strip() for side in text.replace("x", ",").split(",")]
    if len(sides) not in (1, 3) or not all(side.isdecimal() and int(side) for side in sides):
        raise typer.BadParameter("expected channels,height,width such as 3,32,32, or a number of features")
    return tuple(map(int, sides))


# The parsers' results are of other types than click's words for them: typer takes `parser` for that.
BudgetOption = Annotated[int, typer.Option(parser=_bits, metavar="BITS", help="Such as '64 KiB'.")]
ShapeOption = Annotated[
    Any,
    typer.Option(parser=_shape, metavar="SHAPE", help="Of an input: 3,32,32 for an image, 64 for features."),
]
AssociationOption = Annotated[
    str,
    typer.Option(
        callback=_association,
        metavar="NAME",
        help=f"As association.name: {AUTO}, {', '.join(part.name for part in ASSOCIATIONS.shipped)}.",
    ),
]
ClassesOption = Annotated[int, typer.Option(min=1, help="Classes to come: they make the labels' width.")]
TasksOption = Annotated[int, typer.Option(min=0, help="Tasks to come, where the stream names them.")]
ExamplesOption = Annotated[int | None, typer.Option(min=1, help="Length of the stream.")]
RecollectionsOption = Annotated[
    int | None, typer.Option(min=1, help="Keep so many, in codes as long as then fit.")
]
CodeBitsOption = Annotated[
    int | None, typer.Option(min=1, help="Bits of a code, of any size; by default a size that proved good.")
]
CountOption = Annotated[
    bool, typer.Option("--count-parameters", help="The association's parameters are part of the budget.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="All numbers, in bits.")]


def plan(
    budget: BudgetOption,
    shape: ShapeOption,
    association: AssociationOption = AUTO,
    classes: ClassesOption = 10,
    tasks: TasksOption = 0,
    examples: ExamplesOption = None,
    recollections: RecollectionsOption = None,
    code_bits: CodeBitsOption = None,
    count_parameters: CountOption = False,
    as_json: JsonOption = False,
) -> None:
    """Says what a budget in bits holds: the size of a code, how many are kept, and of how much of the stream.

    No daemon has to run. The settings it ends with make a daemon's memory exactly so, once a network
    answers.
    """
    if recollections is not None and code_bits is not None:
        raise typer.BadParameter("--recollections and --code-bits: one follows from the other; give one")
    from streamlearner.app import measure_for, statistics_for
    from streamlearner.memory.planner import Planner

    planner = Planner(
        budget_bits=budget,
        input_shape=shape,
        measure=measure_for(shape),
        statistics=statistics_for(shape, classes=classes),
        classes=classes,
        tasks=tasks,
        counts_parameters=count_parameters,
    )
    found = planner.plan(association, recollections=recollections, code_bits=code_bits, examples=examples)
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2))
        return
    console = Console()
    console.print(table(found))
    settings = " ".join(f"--set {shlex.quote(f'{key}={value}')}" for key, value in found.settings.items())
    console.print(Text(f"\nstreamlearner run {settings}"), soft_wrap=True, highlight=False)


def table(plan: Plan) -> Table:
    """Name, number and meaning of each line."""
    shown = Table("", "", "", box=None, show_header=False, padding=(0, 2, 0, 0))
    for row, justify in zip(shown.columns, ("left", "right", "left"), strict=True):
        row.justify = justify  # type: ignore[assignment]
    for name, number, meaning in rows(plan):
        shown.add_row(name, Text(number, style="bold"), Text(meaning, style="dim"))
    return shown


def rows(plan: Plan) -> list[tuple[str, str, str]]:
    """What `table` shows."""
    fields = f"{plan.label_bits} bits of label" + (f", {plan.task_bits} of task" if plan.task_bits else "")
    counted = "inside" if plan.counts_parameters else "beside"
    return [
        ("budget", f"{plan.budget_bits:,}", f"bits, {plan.budget_bits / 8:,.0f} bytes"),
        ("association", plan.association, "turns inputs into codes, and codes back"),
        *_variables(plan),
        ("code", f"{plan.code_bits:,}", f"bits; the raw input takes {plan.raw_bits:,}"),
        ("record", f"{plan.record_bits:,}", f"bits: code, {fields}"),
        ("recollections", f"{plan.recollections:,}", "records that the memory holds when full"),
        ("stored", f"{plan.stored_bits:,}", "bits that they take, in whole bytes"),
        *_statistics(plan),
        (
            "parameters",
            f"{plan.parameter_bits:,}",
            f"bits of the association at its start, {counted} the budget",
        ),
        ("raw inputs", f"{plan.raw_examples:,}", "would fill the budget, labels counted"),
        *_of_the_stream(plan),
    ]


def _statistics(plan: Plan) -> list[tuple[str, str, str]]:
    if not plan.statistics_bits:
        return []
    meaning = "bits that statistics keep; until a network answers, up to three quarters of the budget"
    return [("statistics", f"{plan.statistics_bits:,}", meaning)]


def _variables(plan: Plan) -> list[tuple[str, str, str]]:
    if "association.variables" not in plan.settings:
        return []
    variables, levels = (plan.settings[f"association.{name}"] for name in ("variables", "levels"))
    return [
        ("variables", f"{variables:,}", f"(c) of {levels} levels each (l)"),
        ("capacity", f"{plan.capacity_bits:,.1f}", f"bits (C_ve); S_sbe is {plan.simple_binary_bits:,}"),
    ]


def _of_the_stream(plan: Plan) -> list[tuple[str, str, str]]:
    if plan.stored_fraction is None or plan.bits_per_example is None:
        return []
    return [
        ("stored fraction", f"{plan.stored_fraction:.2%}", f"of {plan.examples:,} examples (rho)"),
        ("bits per example", f"{plan.bits_per_example:,.2f}", "budget over examples"),
    ]
