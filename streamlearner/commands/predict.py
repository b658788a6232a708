"""`streamlearner predict`: asks a running daemon."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlearner.commands.client import Client
from streamlearner.commands.options import ADDRESS, AddressOption, JsonOption, TokenOption
from streamlearner.commands.status_view import choice


def predict(
    files: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG, WebP, TIFF, or JSON that holds one input.", exists=True)
    ],
    task: Annotated[str | None, typer.Option(help="The task, where the stream names tasks.")] = None,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    as_json: JsonOption = False,
) -> None:
    """Asks a running daemon what the files show."""
    console, answer = Console(), Client(address, token=token).predict_files(files, task=task)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    table = Table("file", "label", "probability", "route", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for file, found in zip(files, answer["predictions"], strict=True):
        table.add_row(Text(str(file)), *map(Text, choice(found)), found["route"])
    console.print(table)
    console.print(f"model version {answer['model_version']}", style="dim", highlight=False)
