"""`streamlearner transplant`: a running daemon teaches a network of another architecture, and swaps it in."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from streamlearner.answer_models import Requested
from streamlearner.commands.options import ADDRESS, AddressOption, TokenFileOption, TokenOption, connect
from streamlearner.errors import StreamlearnerError

POLL_S = 0.25


def transplant(
    to: Annotated[str, typer.Option(help="The network that is to take over, named as in network.name.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of teaching.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until the exam has judged: exit code 1 where it refuses.")
    ] = False,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Has a running daemon teach a network of another architecture, and answer with it if it passes."""
    client = connect(address, token, token_file)
    asked = client.transplant(to, steps=steps)
    if not wait:
        typer.echo(f"teaching {to} in {asked['steps']:,} steps; `streamlearner status` shows how it ends")
        return
    while (last := client.status()["transplant"]) is None or running(last, asked["number"]):
        time.sleep(POLL_S)
    tell(last, asked)


def running(last: dict[str, Any], number: int) -> bool:
    """Whether the transplant of that number still goes on, by figures that may be 0.25 s old."""
    return bool(last["number"] < number or (last["number"] == number and last["outcome"] == "running"))


def tell(last: dict[str, Any], asked: Requested) -> None:
    """How it ended. Raises StreamlearnerError unless the network was adopted."""
    if last["number"] != asked["number"]:
        raise StreamlearnerError(
            "it ended, and another one began meanwhile: the daemon's log has the outcome"
        )
    exam = "" if last["after"] is None else f": exam {last['before']:.1%} before, {last['after']:.1%} after"
    if last["outcome"] == "refused":
        raise StreamlearnerError(f"the exam refused {last['to']}{exam}; nothing has changed")
    if last["outcome"] != "adopted":
        raise StreamlearnerError(f"the transplant to {last['to']} was {last['outcome']} (a rollback)")
    typer.echo(f"{last['to']} was adopted and answers now{exam}")
