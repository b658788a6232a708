"""`streamlearner erase`: takes back what a running daemon learned of an example, a label or a task."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from streamlearner.answer_models import Erased
from streamlearner.client import Client
from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    JsonOption,
    TokenFileOption,
    TokenOption,
    connect,
)

NOT_KNOWN = "nothing is known of it: was it spelt as it was sent?"


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
    token_file: TokenFileOption = None,
) -> None:
    """Erases an example, a label or a task from a running daemon, and says what stays."""
    given = sum(each is not None for each in (id, label, task))
    if given != 1 and not (retrain and not given):
        raise typer.BadParameter("expected an id, or --label, or --task: one of them")
    client = connect(address, token, token_file)
    if given:
        answer = erased(client, id=id, label=label, task=task, source=source)
        typer.echo(json.dumps(answer, indent=2) if as_json else told(answer))
    if retrain:
        asked = client.retrain(steps=steps)
        if not as_json:
            typer.echo(
                f"teaching a fresh {asked['to']} in {asked['steps']:,} steps; `status` shows how it ends"
            )


def erased(
    client: Client, *, id: str | None, label: str | None, task: str | None, source: str | None
) -> Erased:
    """The daemon's answer to the one of them that is given."""
    if id is not None:
        return client.erase(id, source=source)
    return client.erase_label(label) if label is not None else client.erase_task(task or "")


def told(answer: Erased) -> str:
    """The answer in words."""
    if (removed := answer.get("removed")) is None:
        return "it waits in the log, durably, and is carried out in the order of the stream"
    statistics = removed["statistics"]
    lines = [] if answer["known"] else [NOT_KNOWN]
    lines += [
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
    if removed["weights"] and answer["known"]:
        kept = ", ".join(map(str, answer["kept_versions"])) or "none"
        lines.append(
            f"weights may still bear its trace: {', '.join(removed['weights'])}; versions kept: {kept}"
        )
    return "\n".join(lines)
