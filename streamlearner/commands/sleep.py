"""`streamlearner sleep`: asks a running daemon to sleep now."""

from __future__ import annotations

import typer

from streamlearner.commands.client import Client
from streamlearner.commands.options import ADDRESS, AddressOption, TokenOption


def sleep(address: AddressOption = ADDRESS, token: TokenOption = None) -> None:
    """Asks a running daemon to sleep now."""
    Client(address, token=token).post("/v1/sleep", {})
    typer.echo("asked for a sleep; `streamlearner status` shows how it ends")
