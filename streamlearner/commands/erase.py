"""`streamlearner erase`: takes back what a running daemon learned of an example, a label or a task."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from streamlearner.commands.client import Client
from streamlearner.commands.options import ADDRESS, AddressOption, JsonOption, TokenOption

PATH = "/v1/examples"


def erase(
    id: Annotated[str | None, typer.Argument(help="Of the example, as it was sent.")] = None,
    label: Annotated[str | None, typer.Option(help="All examples of this label.")] = None,
    task: Annotated[str | None, typer.Option(help="All examples of this task.")] = None,
    retrain: Annotated[
        bool,
        typer.Option("--retrain", help="Then teaches a fresh network from what is left; alone: only that."),
    ] = False,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of --retrain.")] = None,
    source: Annotated[str | None, typer.Option(help="Of a CloudEvent's id: its ce_source.")] = None,
    as_json: JsonOption = False,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
) -> None:
    """Erases an example, a label or a task from a running daemon, and says what stays."""
    given = {"label": label, "task": task}
    named = {name: text for name, text in given.items() if text is not None}
    if (id is not None) + len(named) != 1 and not (retrain and id is None and not named):
        raise typer.BadParameter("expected an id, or --label, or --task: one of them")
    if source is not None and id is not None:
        named["source"] = source
    client = Client(address, token=token)
    if id is not None or named:
        path = PATH if id is None else f"{PATH}/{quote(id, safe='')}"
        answer = client.delete(path + (f"?{urlencode(named)}" if named else ""))
        typer.echo(json.dumps(answer, indent=2) if as_json else told(answer))
    if retrain:
        asked = client.post("/v1/retrain", {} if steps is None else {"steps": steps})
        if not as_json:
            typer.echo(
                f"teaching a fresh {asked['to']} in {asked['steps']:,} steps; `status` shows how it ends"
            )


def told(answer: dict[str, Any]) -> str:
    """The answer in words."""
    if (removed := answer.get("removed")) is None:
        return "it waits in the log, durably, and is carried out in the order of the stream"
    statistics = removed["statistics"]
    lines = [
        f"removed: {removed['recollections']} recollections, {removed['exam']} of the exam, "
        f"{answer['waiting']} inputs that waited"
    ]
    if statistics["state"] != "none":
        note = f" ({statistics['note']})" if statistics["note"] else ""
        lines.append(f"statistics: {statistics['state']}{note}")
    if unnamed := removed["recollections_without_id"]:
        lines.append(f"not looked at: {unnamed} recollections of examples without an id")
    if not answer["checkpoints_renewed"]:
        lines.append("older checkpoints that still hold it are being replaced")
    if removed["weights"]:
        kept = ", ".join(map(str, answer["kept_versions"])) or "none"
        lines.append(
            f"weights may still bear its trace: {', '.join(removed['weights'])}; versions kept: {kept}"
        )
    return "\n".join(lines)
