"""`streamlearner produce`: the examples of files, sent to a topic or to a running daemon."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    ConfigOption,
    DataOption,
    SetOption,
    TokenFileOption,
    TokenOption,
    connect,
    load_config,
)


class Destination(StrEnum):
    KAFKA = "kafka"
    PUSH = "push"


def produce(
    config: ConfigOption = None,
    set_: SetOption = None,
    data: DataOption = None,
    to: Annotated[
        Destination, typer.Option(help="A topic (source.kafka) or the daemon's log.")
    ] = Destination.KAFKA,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many examples.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Examples in a second; unlimited without.")
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it has to be made.")] = 1,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Sends the examples of the files in source.files to Kafka, or to a daemon whose source is push."""
    from streamlearner.commands import producing

    chosen = [] if data is None else [f"source.files.format={data.value}"]
    started = time.monotonic()
    sent = producing.produce(
        load_config(config, [*(set_ or []), *chosen]),
        to=to.value,
        limit=limit,
        examples_per_s=rate,
        partitions=partitions,
        client=connect(address, token, token_file),
    )
    seconds = time.monotonic() - started
    typer.echo(f"sent {sent:,} examples in {seconds:.1f} s ({sent / max(seconds, 1e-9):,.0f} a second)")
