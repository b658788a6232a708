"""`streamlearner checkpoint`: the checkpoints on disk, listed, verified, rolled back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    ConfigOption,
    SetOption,
    TokenFileOption,
    TokenOption,
    connect,
    load_config,
)
from streamlearner.config.loading import Config
from streamlearner.errors import ConfigError
from streamlearner.state.lock import StateLock

if TYPE_CHECKING:
    from streamlearner.state.checkpoint import CheckpointStore

FOLDER, VERSIONS = "checkpoints", "versions"
checkpoints = typer.Typer(
    help="Looks after the checkpoints on disk. The daemon may run beside list and verify.",
    no_args_is_help=True,
)


@checkpoints.command("list")
def list_(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Lists the checkpoints, newest last, and what is wrong with any that cannot be read."""
    table = Table("number", "created (UTC)", "examples", "size", "state", box=None, header_style="dim")
    for entry in store_in(load_config(config, set_)).entries():
        when = None if entry.created is None else datetime.fromtimestamp(entry.created, UTC)
        created = "?" if when is None else f"{when:%F %T}"
        examples = "?" if entry.examples is None else f"{entry.examples:,}"
        state = Text("good", style="green") if entry.ok else Text(entry.problem or "unreadable", style="red")
        table.add_row(str(entry.number), created, examples, f"{entry.size_bytes / 1e6:.2f} MB", state)
    Console().print(table)


@checkpoints.command("verify")
def verify(
    number: Annotated[int | None, typer.Argument(help="Of one checkpoint; all of them without.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Reads every byte again and holds it against the digests; exit code 1 where one is torn or altered."""
    store = store_in(load_config(config, set_))
    if number is None:  # `entries` leaves out what the daemon prunes meanwhile
        problems = {entry.number: entry.problem for entry in store.entries()}
    else:
        problems = {number: "; ".join(store.verify(number))}
    for each, found in problems.items():
        typer.echo(f"{each}: {found or 'good'}")
    raise typer.Exit(1 if any(problems.values()) else 0)


@checkpoints.command("rollback")
def rollback(
    number: Annotated[int, typer.Argument(help="The checkpoint to go back to, from `checkpoint list`.")],
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Makes an earlier checkpoint the newest: the next run goes on from it and its place in the stream."""
    from streamlearner.state.rollback import roll_back
    from streamlearner.state.versions import Versions

    settings = load_config(config, set_)
    store = store_in(settings)
    with StateLock(settings.state_dir):
        versions = Versions(settings.state_dir / VERSIONS, keep=settings.checkpoint.keep_versions)
        roll_back(store, versions, number)
    aside = " and ".join(f"{settings.state_dir / folder}/rolled-back" for folder in (FOLDER, VERSIONS))
    typer.echo(f"checkpoint {number} is the newest now; what came later is in {aside}")


@checkpoints.command("now")
def now(
    address: AddressOption = ADDRESS, token: TokenOption = None, token_file: TokenFileOption = None
) -> None:
    """Asks a running daemon to save a checkpoint before its next batch."""
    connect(address, token, token_file).checkpoint()
    typer.echo("asked for a checkpoint; `streamlearner checkpoint list` shows it")


def store_in(settings: Config) -> CheckpointStore:
    from streamlearner.state.checkpoint import CheckpointStore

    folder = settings.state_dir / FOLDER
    if not folder.is_dir():
        raise ConfigError(
            f"there are no checkpoints in {folder.absolute()}: is state_dir {settings.state_dir} right?"
        )
    return CheckpointStore(folder, keep=settings.checkpoint.keep, clock=time.time)
