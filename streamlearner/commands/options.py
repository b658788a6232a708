"""The options that several commands share, and the configuration they lead to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamlearner.config import loading as configuration
from streamlearner.telemetry.logs import LogFormat

if TYPE_CHECKING:
    from streamlearner.client import Client

DEFAULT_CONFIG = Path("config.yaml")
ADDRESS = "http://127.0.0.1:8080"

_CONFIG_HELP = "YAML file. Without it config.yaml of this folder, if there is one."
_SET_HELP = "Sets any setting, for example -s memory.budget_bits='64 KiB'. Repeatable; comes before all else."
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", envvar="STREAMLEARNER_CONFIG", help=_CONFIG_HELP)
]
SetOption = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help=_SET_HELP)]
LogOption = Annotated[LogFormat, typer.Option("--log", help="How logs are written to stderr.")]
AddressOption = Annotated[
    str, typer.Option("--address", "-a", envvar="STREAMLEARNER_ADDRESS", help="Where the daemon serves.")
]
TokenOption = Annotated[
    str | None,
    typer.Option(envvar="STREAMLEARNER_TOKEN", help="A token with the role, where the daemon has any."),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        envvar="STREAMLEARNER_TOKEN_FILE",
        help="A file that holds the token; --token goes before it.",
    ),
]


class Data(StrEnum):
    """Data that come with the product."""

    DIGITS = "digits"


_DATA_HELP = "digits: the 1,797 handwritten ones that come with scikit-learn, without a file or a download."
DataOption = Annotated[Data | None, typer.Option("--data", help=_DATA_HELP)]
JsonOption = Annotated[bool, typer.Option("--json", help="The daemon's answer as it is.")]


def connect(address: str, token: str | None, token_file: Path | None) -> Client:
    """The client that a command asks through. Who waits at a terminal is told at once what is wrong: nothing
    is sent again. Raises StreamlearnerError for a file without a token."""
    from streamlearner.client import NO_RETRIES, Client
    from streamlearner.client.connection import token_in

    if token is None and token_file is not None:
        token = token_in(token_file)
    return Client(address, token=token or "", retries=NO_RETRIES)


def _found(path: Path | None) -> Path | None:
    """The file named, or config.yaml of this folder."""
    return DEFAULT_CONFIG if path is None and DEFAULT_CONFIG.exists() else path


def settings_of(path: Path | None, settings: list[str] | None) -> tuple[Path | None, dict[str, Any]]:
    """The file and the flags from which another process of this machine, or of its cluster, loads the same
    configuration."""
    path = _found(path)
    return path and path.absolute(), dict(configuration.parse_settings(settings or []))


def load_config(path: Path | None, settings: list[str] | None) -> configuration.Config:
    """Flags, environment and the file at `path`, or config.yaml of this folder. Raises ConfigError."""
    return configuration.load(path=_found(path), settings=configuration.parse_settings(settings or []))
