"""`streamlearner rollback`: a running daemon goes back to an adopted model version."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    JsonOption,
    TokenFileOption,
    TokenOption,
    connect,
)


def rollback(
    version: Annotated[str | None, typer.Argument(help="An adopted one; the one before without.")] = None,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Asks a running daemon to go back to an adopted model version; it goes on learning from there."""
    answer = connect(address, token, token_file).rollback(version)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    where = "the model version before" if version is None else f"model version {version}"
    typer.echo(f"asked for a rollback to {where}; `streamlearner status` shows which one answers")
