"""The command line. Thin edges: every command is a few lines over `app`, `client`, `demo` or a store on disk.

Torch takes a second to import, so commands that need it import it themselves.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streamlearner import __version__
from streamlearner.bench.command import bench
from streamlearner.commands.checkpoint import checkpoints
from streamlearner.commands.client import Client
from streamlearner.commands.meta_train import meta_train
from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    ConfigOption,
    JsonOption,
    LogOption,
    SetOption,
    TokenOption,
    load_config,
)
from streamlearner.commands.plan import plan
from streamlearner.commands.status_view import choice, status_panel
from streamlearner.commands.transplant import transplant
from streamlearner.config import loading as configuration
from streamlearner.errors import StreamlearnerError
from streamlearner.telemetry.logs import LogFormat, start_logging, tell_crash, tell_error

EPILOG = (
    "Exit codes: 0 drained, 1 crash, 2 usage, 69 broker unreachable at start-up, "
    "74 no checkpoint can be read though some exist, 78 bad configuration."
)


def _bench_fixture(*, data: Path, download: bool) -> Any:
    from streamlearner.bench.assembly import build_fixture

    return build_fixture(data=data, download=download)


app = typer.Typer(
    help="Learns continually from a labelled stream, inside a budget of bits, and answers all the while.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Checks, describes and shows the configuration.", no_args_is_help=True)
app.add_typer(bench, name="bench", context_settings={"obj": _bench_fixture})
app.add_typer(checkpoints, name="checkpoint")
app.add_typer(config_app, name="config")
log = logging.getLogger("streamlearner.commands.main")  # also where this file is run as __main__
console = Console()


class Destination(StrEnum):
    KAFKA = "kafka"
    PUSH = "push"


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
        tell_error(error)
        sys.exit(error.exit_code)
    except Exception as error:
        tell_crash(error)
        sys.exit(1)


@app.callback()
def root(version: VersionOption = False) -> None:
    """What stands before the commands."""


@app.command()
def run(config: ConfigOption = None, set_: SetOption = None, log_format: LogOption = LogFormat.TEXT) -> None:
    """Learns from the configured stream and answers, until SIGTERM or Ctrl-C; then drains."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # while torch loads there is nothing to drain yet
    start_logging(log_format)
    settings = load_config(config, set_)
    from streamlearner import app as assembly

    daemon = assembly.build(settings)

    def drain(number: int, _: Any) -> None:
        log.info("%s: draining; once more ends at once", signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, drain)
    log.info(
        "streamlearner %s: source %s, method %s, state in %s, serving on http://%s:%d",
        __version__, settings.source.type, settings.method.name, settings.state_dir.absolute(),
        settings.serving.host, settings.serving.port,
    )  # fmt: skip
    daemon.run()
    log.info("drained after %d messages", daemon.state.tally.messages)


@app.command()
def demo(
    exit_: Annotated[
        bool,
        typer.Option("--exit", help="End after the summary: with 0 if retention beat the baseline, else 1."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 picks a free one.")] = 8080,
    rate: Annotated[float, typer.Option(min=0.1, help="Examples pushed in a second.")] = 100.0,
) -> None:
    """Learns real handwritten digits, class after class, beside a baseline that forgets them."""
    from streamlearner.commands import demo as show

    sys.exit(show.run(exit_at_end=exit_, port=port, examples_per_s=rate))


@app.command()
def produce(
    config: ConfigOption = None,
    set_: SetOption = None,
    to: Annotated[
        Destination, typer.Option(help="A topic (source.kafka) or the daemon's log.")
    ] = Destination.KAFKA,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after so many examples.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.1, help="Examples in a second; unlimited without.")
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the topic, where it has to be made.")] = 1,
    address: AddressOption = ADDRESS,
) -> None:
    """Sends the examples of the files in source.files to Kafka, or to a daemon whose source is push."""
    from streamlearner.commands import produce as production

    started = time.monotonic()
    sent = production.produce(
        load_config(config, set_),
        to=to.value,
        limit=limit,
        examples_per_s=rate,
        partitions=partitions,
        address=address,
    )
    seconds = time.monotonic() - started
    typer.echo(f"sent {sent:,} examples in {seconds:.1f} s ({sent / max(seconds, 1e-9):,.0f} a second)")


@app.command()
def predict(
    files: Annotated[
        list[Path], typer.Argument(help="PNG, JPEG, WebP, or JSON that holds one input.", exists=True)
    ],
    task: Annotated[str | None, typer.Option(help="The task, where the stream names tasks.")] = None,
    address: AddressOption = ADDRESS,
    as_json: JsonOption = False,
) -> None:
    """Asks a running daemon what the files show."""
    answer = Client(address).predict_files(files, task=task)
    if as_json:
        typer.echo(json.dumps(answer, indent=2))
        return
    table = Table("file", "label", "probability", "route", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for file, found in zip(files, answer["predictions"], strict=True):
        table.add_row(Text(str(file)), *map(Text, choice(found)), found["route"])
    console.print(table)
    console.print(f"model version {answer['model_version']}", style="dim", highlight=False)


@app.command()
def status(address: AddressOption = ADDRESS, as_json: JsonOption = False) -> None:
    """Shows how a running daemon is doing."""
    client = Client(address)
    answers = {name: client.get(f"/v1/{name}") for name in ("status", "retention", "memory")}
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        console.print(status_panel(answers, address=client.address))


@app.command()
def sleep(address: AddressOption = ADDRESS, token: TokenOption = None) -> None:
    """Asks a running daemon to sleep now."""
    Client(address, token=token).post("/v1/sleep", {})
    typer.echo("asked for a sleep; `streamlearner status` shows how it ends")


app.command()(transplant)
app.command()(meta_train)
app.command()(plan)


@config_app.command("check")
def config_check(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Says whether the configuration can be used: exit code 78 and every problem where it cannot."""
    settings = load_config(config, set_)
    if settings.network.is_of_torchvision:
        from streamlearner.app import check_network

        check_network(settings)
    typer.echo("the configuration is good")


@config_app.command("schema")
def config_schema() -> None:
    """Prints the JSON schema: every setting with its type, default, unit and reason."""
    typer.echo(json.dumps(configuration.Config.model_json_schema(), indent=2))


@config_app.command("show")
def config_show(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Prints the settings that a run would use, of flags, environment, file and defaults; secrets masked."""
    shown = load_config(config, set_).shown()
    typer.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)


if __name__ == "__main__":
    main()
