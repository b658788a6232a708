"""`streamlearner memory`: the bits that a running daemon holds, and those that it may."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlearner.answer_models import MemoryDocument
from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    JsonOption,
    TokenFileOption,
    TokenOption,
    connect,
)


def memory(
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows what a running daemon remembers: bits by store and module, recollections by class."""
    answer = connect(address, token, token_file).memory()
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    console = Console()
    console.print(bits(answer))
    console.print(
        f"{answer['recollections']:,} recollections of {answer['seen']:,} examples learned", highlight=False
    )
    if answer["recollections_by_class"]:
        console.print(held(answer["recollections_by_class"]))


def bits(answer: MemoryDocument) -> Table:
    """A line for each store, with its budget where it has one, and for the parameters of each module."""
    budgets: dict[str, int | None] = {
        "recollections": answer["budget_bits"],
        "exam": answer["exam_budget_bits"],
        "dream": answer.get("dream_budget_bits"),
        "predictions": answer.get("predictions_budget_bits"),
    }
    table = Table("what", "bits", "of at most", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name, count in answer["stored_bits"].items():
        budget = budgets.get(name)
        table.add_row(Text(name), f"{count:,}", "" if budget is None else f"{budget:,}")
    for name, count in answer["parameter_bits"].items():
        table.add_row(Text(f"parameters of {name}"), f"{count:,}", "")
    return table


def held(by_class: dict[str, int]) -> Table:
    """How many of each class, the fewest last."""
    table = Table("class", "recollections", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name, count in sorted(by_class.items(), key=lambda one: -one[1]):
        table.add_row(Text(name), f"{count:,}")
    return table
