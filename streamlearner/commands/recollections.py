"""`streamlearner recollections`: what a running daemon would show when asked for each class."""

from __future__ import annotations

import json
from pathlib import Path
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
from streamlearner.errors import StreamlearnerError


def recollections(
    out: Annotated[
        Path | None, typer.Option("--out", help="A PNG file: a row of pictures for each class.")
    ] = None,
    per_class: Annotated[int, typer.Option(min=1, max=64, help="Of each class, at most.")] = 8,
    label: Annotated[str | None, typer.Option(help="Only of this class.")] = None,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decodes inputs from a running daemon's memory: into a picture, or as JSON."""
    if out is not None and as_json:
        raise typer.BadParameter("--out is a picture; expected it without --json")
    client = connect(address, token, token_file)
    if out is not None:
        save(client.recollections_picture(per_class=per_class, label=label), out)
        typer.echo(
            f"wrote {out}: up to {per_class} recollections of {'each class' if label is None else label}"
        )
        return
    answer = client.recollections(per_class=per_class, label=label)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    for found in answer["recollections"]:
        typer.echo(f"{json.dumps(found['label'])}: {len(found['inputs'])}")
    typer.echo("`--out recollections.png` shows images, `--json` gives the inputs")


def save(picture: bytes, out: Path) -> None:
    """Raises StreamlearnerError."""
    try:
        out.write_bytes(picture)
    except OSError as error:
        raise StreamlearnerError(f"{out}: cannot be written ({error.strerror})") from None
