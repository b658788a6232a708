"""`streamlearner sleep`: asks a running daemon to sleep now."""

from __future__ import annotations

import typer

from streamlearner.commands.options import ADDRESS, AddressOption, TokenFileOption, TokenOption, connect


def sleep(
    address: AddressOption = ADDRESS, token: TokenOption = None, token_file: TokenFileOption = None
) -> None:
    """Asks a running daemon to sleep now."""
    connect(address, token, token_file).sleep()
    typer.echo("asked for a sleep; `streamlearner status` shows how it ends")
