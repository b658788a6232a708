"""`streamlearner predict`: asks a running daemon."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlearner.client import Client
from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    JsonOption,
    TokenFileOption,
    TokenOption,
    connect,
)
from streamlearner.commands.status_view import choice

INPUTS_PER_REQUEST = 100
"""Of photographs of 100 KB about 13 MB in base64, under the daemon's default limit of 32 MiB."""


def predict(
    files: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG, WebP, TIFF, or JSON that holds one input.", exists=True)
    ],
    task: Annotated[str | None, typer.Option(help="The task, where the stream names tasks.")] = None,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Asks a running daemon what the files show."""
    client = connect(address, token, token_file)
    console, answer = Console(), predict_files(client, files, task=task)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    table = Table("file", "label", "probability", "route", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for file, found in zip(files, answer["predictions"], strict=True):
        table.add_row(Text(str(file)), *map(Text, choice(found)), found["route"])
    console.print(table)
    console.print(f"model version {answer['model_version']}", style="dim", highlight=False)


def predict_files(client: Client, files: Sequence[Path], *, task: str | None = None) -> dict[str, Any]:
    """Predictions, in order, for image files, or JSON files that hold one input each."""
    answer: dict[str, Any] = {"predictions": []}
    for start in range(0, len(files), INPUTS_PER_REQUEST):
        found = client.predict(files[start : start + INPUTS_PER_REQUEST], task=task)
        answer = {**found, "predictions": answer["predictions"] + found["predictions"]}
    return answer
