"""`streamlearner bench`: experiments listed, run, reported.

Whoever mounts these commands gives them a function that builds the fixture, `(data=folder, download=...) ->
Fixture`, as the context's object. Torch and matplotlib take seconds to import, so a command that needs them
imports them itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from streamlearner.bench.catalogue import EXPERIMENTS, REGISTRY, description, find
from streamlearner.registry.part import UnknownPart
from streamlearner.registry.section import parse_bits

if TYPE_CHECKING:
    from streamlearner.bench.kit.experiment import Experiment, Scope, Trial
    from streamlearner.bench.kit.results import Result, Row
    from streamlearner.bench.runner import Plan

RESULTS = Path("results")
"""Under the working directory: a new run resumes none of the committed results (`--out
streamlearner/bench/results` does)."""
QUICK, HELD_OUT = "quick", "held-out"
"""Folders under `RESULTS` for runs that are no result."""
DIGITS = Path("digits")
"""As --data: nothing is read. Also the folder under `RESULTS` of such runs."""
SHARED_DATA = Path("../shared/data")
OWN_DATA = Path("data")

bench = typer.Typer(
    help="Runs the experiments behind every claim, on the daemon's own learning code.", no_args_is_help=True
)
NamesArgument = Annotated[list[str] | None, typer.Argument(help="All about these.", show_default=False)]
NameArgument = Annotated[str, typer.Argument(help="One of `streamlearner bench list`.", show_default=False)]
SeedsOption = Annotated[
    int | None, typer.Option(min=1, help="Runs of each arm under each budget.", show_default="3; quick: 1")
]
BudgetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", help="Bits of memory: 62720 or '64 KiB'; repeatable.", show_default="the experiment's own"
    ),
]
QuickOption = Annotated[
    bool, typer.Option("--quick", help="A smoke run on a part of the stream; its results mean nothing.")
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the data sets. `digits`: those of scikit-learn in the place of MNIST, no file.",
        show_default=f"{SHARED_DATA} if it is there, else {OWN_DATA}",
    ),
]
DownloadOption = Annotated[bool, typer.Option("--download", help="Download a data set that is absent.")]
ArmOption = Annotated[
    list[str] | None,
    typer.Option("--arm", help="Only this arm, or arms like `mnist-*/ours`; repeatable.", show_default="all"),
]
PortionOption = Annotated[
    Literal["whole", "quarter"],
    typer.Option(help="How much of the stream: a quarter has every fourth example of each class."),
]
HeldOutOption = Annotated[
    bool,
    typer.Option("--held-out", help="Test on images held out of the training set, to choose settings by."),
]
KafkaOption = Annotated[
    str | None,
    typer.Option(help="A broker, host:port, for arms that read a topic; without one they are left out."),
]
DeviceOption = Annotated[
    str, typer.Option(help="Where the eye sees: cpu, cuda, mps; for experiments that have one.")
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        help="The folder of the results.",
        show_default=f"{RESULTS}; of --quick {RESULTS / QUICK}, of --held-out {RESULTS / HELD_OUT}, "
        f"of --data digits {RESULTS / DIGITS}",
    ),
]


@bench.command("list")
def list_(
    names: NamesArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="All about each, as JSON.")] = False,
) -> None:
    """Lists the experiments; of those that are named also protocol, arms and budgets."""
    if not names and not as_json:
        for name in REGISTRY.names():
            typer.secho(name, bold=True)
            typer.echo(f"  {REGISTRY.find(name).summary}")
        return
    found = [description(find_experiment(name)) for name in names or REGISTRY.names()]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for each in found:
        budgets = ", ".join(f"{budget:,}" for budget in each["budgets_bits"])
        typer.secho(each["name"], bold=True)
        typer.echo(f"  {each['protocol']}\n  arms: {', '.join(each['arms'])}\n  budgets in bits: {budgets}")


@bench.command()
def run(
    context: typer.Context,
    name: NameArgument,
    seeds: SeedsOption = None,
    budget: BudgetOption = None,
    arm: ArmOption = None,
    portion: PortionOption = "whole",
    held_out: HeldOutOption = False,
    quick: QuickOption = False,
    data: DataOption = None,
    download: DownloadOption = False,
    kafka: KafkaOption = None,
    device: DeviceOption = "cpu",
    out: OutOption = None,
) -> None:
    """Runs an experiment into OUT/NAME.json, which is written after each trial: the same command resumes an
    interrupted run."""
    from streamlearner.bench import runner
    from streamlearner.bench.kit.experiment import Scope
    from streamlearner.bench.kit.results import Result

    scope = Scope(
        seeds=seeds or (1 if quick else 3),
        budgets_bits=budgets_bits(budget),
        quick=quick,
        kafka=kafka,
        arms=tuple(dict.fromkeys(arm)) if arm else None,
        portion=portion,
        held_out=held_out,
        device=device,
    )
    experiment = find_experiment(name)
    data = data or (SHARED_DATA if SHARED_DATA.is_dir() else OWN_DATA)
    folder = out or default_folder(quick=quick, held_out=held_out, digits=data == DIGITS)
    result = Result(folder, name=name, protocol=experiment.protocol, quick=quick, held_out=held_out)
    plan = plan_trials(experiment, scope, result)
    typer.echo(origin(data, result.path, download=download))
    fixture = context.obj(data=data, download=download)
    show(plan, runner.run(experiment, plan.missing, scope=scope, fixture=fixture, result=result))
    typer.echo(
        f"{result.path}: {len(result.rows)} rows; for tables: streamlearner bench report --out {folder}"
    )


def budgets_bits(texts: list[str] | None) -> tuple[int, ...] | None:
    """Typed amounts in bits, each once, in their order; None where none was given."""
    try:
        budgets = [parse_bits(text) for text in texts or []]
    except ValueError as error:
        raise typer.BadParameter(f"expected {error}", param_hint="--budget") from None
    if 0 in budgets:
        raise typer.BadParameter("expected more than 0 bits", param_hint="--budget")
    return tuple(dict.fromkeys(budgets)) or None


def find_experiment(name: str) -> Experiment:
    try:
        return find(name)
    except UnknownPart as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None


def origin(data: Path, path: Path, *, download: bool) -> str:
    """Where the data come from and the results go, in words."""
    if data == DIGITS:
        return f"data: scikit-learn's digits, in the place of MNIST; results in {path}"
    fetched = f"\na set that is absent is fetched by torchvision into {data}" if download else ""
    return f"data sets in {data}; results in {path}{fetched}"


def default_folder(*, quick: bool, held_out: bool, digits: bool = False) -> Path:
    """Where results go without --out: never among the committed ones."""
    if digits:
        return RESULTS / DIGITS / QUICK if quick else RESULTS / DIGITS
    return RESULTS / QUICK if quick else RESULTS / HELD_OUT if held_out else RESULTS


def plan_trials(experiment: Experiment, scope: Scope, result: Result) -> Plan:
    from streamlearner.bench import runner

    try:
        return runner.plan(experiment, scope=scope, result=result)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def show(plan: Plan, done: Iterator[tuple[Trial, list[Row]]]) -> None:
    """A line for each trial as it ends; in a terminal, a progress bar below them."""
    console, total = Console(highlight=False), len(plan.trials)
    before = total - len(plan.missing)
    if before:
        console.print(f"{before} of {total} trials were done by an earlier run")
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=total, completed=before)
        for number, trial in enumerate(plan.missing, before + 1):
            progress.update(bar, description=trial_line(trial))
            _, rows = next(done)
            progress.advance(bar)
            console.print(f"{number}/{total} {trial_line(trial)}: {result_line(rows)}", soft_wrap=True)


def trial_line(trial: Trial) -> str:
    part = f", {trial.examples:,} examples" if trial.examples is not None else ""
    return f"{trial.arm}, {trial.budget_bits:,} bits, seed {trial.seed}{part}"


def result_line(rows: list[Row]) -> str:
    """What a trial measured, without the points of curves."""
    from streamlearner.bench.kit.tables import SERIES

    if not rows:
        return "nothing measured"
    values = ", ".join(f"{row.metric} {row.value:.4f}" for row in rows if not SERIES.search(row.metric))
    return f"{values}; {rows[0].seconds:,.1f} s, {rows[0].examples_per_s:,.0f} examples/s"


@bench.command()
def report(
    out: Annotated[
        Path, typer.Option(help="Where the results are; the report is written beside them.")
    ] = RESULTS,
) -> None:
    """Makes RESULTS.md and its plots from the results in OUT."""
    from streamlearner.bench.report import write

    for path in write(out, EXPERIMENTS):
        typer.echo(str(path))
