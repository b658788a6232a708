"""The command line: what is asked for, handed to one file a command, which is then imported.

Torch takes a second to import, so commands that need it import it themselves.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from streamlearner import __version__
from streamlearner.commands.on_demand import CommandsOnDemand
from streamlearner.errors import StreamlearnerError
from streamlearner.telemetry.logs import log_crash, print_error

EPILOG = (
    "Exit codes: 0 drained, 1 crash, 2 usage, 69 broker unreachable at start-up, "
    "74 no checkpoint can be read though some exist, 78 bad configuration."
)


def _bench_fixture(*, data: Path, download: bool) -> Any:
    from streamlearner.bench.assembly import build_fixture

    return build_fixture(data=data, download=download)


app = typer.Typer(
    cls=CommandsOnDemand,
    context_settings={"obj": _bench_fixture},
    help="Learns continually from a labelled stream, inside a budget of bits, and answers all the while.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamlearner {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Prints the version.")
]


def main() -> None:
    """Runs a command; an error of ours is one clear text and its exit code, anything else a crash."""
    try:
        app()
    except StreamlearnerError as error:
        print_error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        log_crash(error)
        sys.exit(1)


@app.callback()
def root(version: VersionOption = False) -> None:
    """What stands before the commands."""


if __name__ == "__main__":
    main()
