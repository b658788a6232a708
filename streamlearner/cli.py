"""The command line. Thin edges: every command is a few lines over `app`, `client`, `demo` or a store on disk."""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from streamlearner import __version__
from streamlearner import config as configuration
from streamlearner.errors import StreamlearnerError

EPILOG = "Exit codes: 0 drained, 1 crash, 2 usage, 69 broker unreachable at start, 74 no readable checkpoint, 78 bad configuration."

app = typer.Typer(
    help="streamlearner: learns continually from a labelled stream, inside a budget of bits.",
    epilog=EPILOG, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
)  # fmt: skip
checkpoint_app = typer.Typer(help="Look after the checkpoints of a state folder (the daemon may be running for list and verify).", no_args_is_help=True)
config_app = typer.Typer(help="Check, describe and show the configuration.", no_args_is_help=True)
app.add_typer(checkpoint_app, name="checkpoint")
app.add_typer(config_app, name="config")
console = Console()

DEFAULT_CONFIG = Path("config.yaml")


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[Path | None, typer.Option("--config", "-c", envvar="STREAMLEARNER_CONFIG", help="YAML file; config.yaml here, if there is one, by default.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", "-s", metavar="KEY=VALUE", help="Sets any setting, for example --set memory.budget_bits='64 KiB'. Repeatable.")]
LogOption = Annotated[LogFormat, typer.Option("--log", help="How logs on stderr are written.")]
AddressOption = Annotated[str, typer.Option("--address", "-a", envvar="STREAMLEARNER_ADDRESS", help="Where the daemon serves.")]
TokenOption = Annotated[str | None, typer.Option("--token", envvar="STREAMLEARNER_TOKEN", help="Bearer token, where the daemon asks for one.")]


def main() -> None:
    """Runs a command; an error of ours is one clear text on stderr and its exit code."""
    try:
        app()
    except StreamlearnerError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)


def load_config(path: Path | None, settings: list[str] | None) -> configuration.Config:
    if path is None and DEFAULT_CONFIG.exists():
        path = DEFAULT_CONFIG
    return configuration.load(path=path, settings=configuration.parse_settings(settings or []))


@app.command()
def run(config: ConfigOption = None, set_: SetOption = None, log: LogOption = LogFormat.TEXT) -> None:
    """Learns from the configured stream and serves predictions until SIGTERM or Ctrl-C; then drains."""
    start_logging(log)
    settings = load_config(config, set_)
    from streamlearner import app as assembly  # torch takes a second: not for `config check`
    from streamlearner.checkpoint import StateLock

    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with StateLock(settings.state_dir):
        daemon = assembly.build(settings)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        daemon.run()


@app.command()
def demo(
    exit_: Annotated[bool, typer.Option("--exit", help="End after the summary; exit code 0 only if retention beat the baseline.")] = False,
    port: Annotated[int, typer.Option(help="Port to serve on; 0 picks a free one.")] = 8080,
    rate: Annotated[float, typer.Option(help="Examples pushed in a second.")] = 100.0,
) -> None:
    """Shows the daemon learning real handwritten digits, class after class, beside a baseline that forgets."""
    from streamlearner import demo as show

    sys.exit(show.run(exit_at_end=exit_, port=port, examples_per_s=rate))


@app.command()
def produce(
    config: ConfigOption = None,
    set_: SetOption = None,
    to: Annotated[str, typer.Option(help="kafka (source.kafka.*) or push (POST /v1/examples to --address).")] = "kafka",
    limit: Annotated[int | None, typer.Option(help="Stop after so many examples.")] = None,
    rate: Annotated[float | None, typer.Option(help="Examples in a second; as fast as it goes by default.")] = None,
    partitions: Annotated[int, typer.Option(help="kafka: partitions of the topic, where it has to be created.")] = 1,
    address: AddressOption = "http://127.0.0.1:8080",
) -> None:
    """Sends the examples of the files in source.files to a Kafka topic or a running daemon, in order."""
    from streamlearner import produce as production

    sent = production.produce(
        load_config(config, set_), to=to, limit=limit, examples_per_s=rate, partitions=partitions, address=address
    )
    console.print(f"{sent} examples sent")


@app.command()
def predict(
    files: Annotated[list[Path], typer.Argument(help="Image files (PNG, JPEG, WebP) or JSON files holding one input.", exists=True, dir_okay=False)],
    task: Annotated[str | None, typer.Option(help="The task, where the stream names tasks.")] = None,
    address: AddressOption = "http://127.0.0.1:8080",
) -> None:
    """Asks a running daemon for predictions."""
    from streamlearner.client import Client

    answer = Client(address).predict_files(files, task=task)
    table = Table("file", "label", "probability", "route", title=f"model version {answer['model_version']}")
    for file, found in zip(files, answer["predictions"], strict=True):
        table.add_row(str(file), str(found["label"]), f"{found['probability']:.3f}", found["route"])
    console.print(table)


@app.command()
def status(
    address: AddressOption = "http://127.0.0.1:8080",
    as_json: Annotated[bool, typer.Option("--json", help="The raw answers of /v1/status, /v1/retention and /v1/memory.")] = False,
) -> None:
    """Shows how a running daemon is doing."""
    from streamlearner.client import Client

    client = Client(address)
    answers = {name: client.get(f"/v1/{name}") for name in ("status", "retention", "memory")}
    if as_json:
        console.print_json(json.dumps(answers))
        return
    table = Table(show_header=False, box=None)
    for name, value in summary(answers):
        table.add_row(name, value)
    console.print(table)


def summary(answers: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know first."""
    now, kept, memory = answers["status"], answers["retention"], answers["memory"]
    stored = memory["stored_bits"].get("recollections", 0)
    return [
        ("method", f"{now['method']}, model version {now['model_version']}{', asleep' if now['asleep'] else ''}"),
        ("examples", ", ".join(f"{count} {name}" for name, count in now["examples"].items())),
        ("lag", str(sum(now["lag"].values())) + ("" if now["connected"] else " (source not reached)")),
        ("prequential accuracy", share(now["prequential_accuracy"])),
        ("retention", f"{share(kept['overall'])}, forgetting {share(kept['forgetting'])}"),
        ("retention by class", "  ".join(f"{label}: {share(value)}" for label, value in kept["by_class"].items())),
        ("memory", f"{stored:,} of {memory['budget_bits']:,} bits in {memory['recollections']:,} recollections"),
        ("sleeps", ", ".join(f"{count} {name}" for name, count in now["sleeps"].items())),
    ]


def share(value: float | None) -> str:
    return "not yet measured" if value is None else f"{value:.1%}"


@app.command()
def sleep(address: AddressOption = "http://127.0.0.1:8080", token: TokenOption = None) -> None:
    """Asks a running daemon to sleep now."""
    from streamlearner.client import Client

    Client(address, token=token).post("/v1/sleep", {})
    console.print("sleep requested; `streamlearner status` shows how it ends")


@app.command(hidden=True)
def version() -> None:
    """Prints the version."""
    console.print(__version__)


@checkpoint_app.command("list")
def checkpoint_list(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Lists the checkpoints, newest last, with what is wrong with any that cannot be read."""
    table = Table("number", "created (UTC)", "examples", "size", "state")
    for entry in checkpoint_store(config, set_).entries():
        created = "?" if entry.created is None else datetime.fromtimestamp(entry.created, UTC).strftime("%F %T")
        state = "[green]good[/]" if entry.ok else f"[red]{entry.problem}[/]"
        table.add_row(str(entry.number), created, str(entry.examples), f"{entry.size_bytes / 1e6:.2f} MB", state)
    console.print(table)


@checkpoint_app.command("verify")
def checkpoint_verify(
    number: Annotated[int | None, typer.Argument(help="All of them by default.")] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Reads every byte again and compares it with the digests; exit code 1 where one is torn or altered."""
    store = checkpoint_store(config, set_)
    numbers = [entry.number for entry in store.entries()] if number is None else [number]
    problems = {each: store.verify(each) for each in numbers}
    for each, found in problems.items():
        console.print(f"{each}: {'good' if not found else '; '.join(found)}")
    if any(problems.values()):
        raise typer.Exit(1)


@checkpoint_app.command("rollback")
def checkpoint_rollback(number: int, config: ConfigOption = None, set_: SetOption = None) -> None:
    """Makes an earlier checkpoint the newest: the next run goes on from it, and reads the stream again from there."""
    from streamlearner.checkpoint import StateLock

    settings = load_config(config, set_)
    with StateLock(settings.state_dir):
        checkpoint_store(config, set_).rollback(number)
    console.print(f"checkpoint {number} is the newest now; later ones were set aside in the folder rolled-back")


def checkpoint_store(config: Path | None, settings: list[str] | None) -> Any:
    from streamlearner.checkpoint import CheckpointStore

    chosen = load_config(config, settings)
    return CheckpointStore(chosen.state_dir / "checkpoints", keep=chosen.checkpoint.keep, clock=time.time)


@config_app.command("check")
def config_check(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Says whether the configuration can be used; exit code 78 where not."""
    load_config(config, set_)
    console.print("the configuration is good")


@config_app.command("schema")
def config_schema() -> None:
    """Prints the JSON schema: every setting with its type, default and reason."""
    console.print_json(json.dumps(configuration.Config.model_json_schema()))


@config_app.command("show")
def config_show(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Prints the settings that a run would use, from flags, environment, file and defaults; secrets masked."""
    console.print(yaml.safe_dump(load_config(config, set_).shown(), sort_keys=False), highlight=False, end="")


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields)


def start_logging(style: LogFormat) -> None:
    """Logs go to stderr; the libraries' own chatter only from warnings on."""
    handler = logging.StreamHandler()
    readable = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    handler.setFormatter(JsonLines() if style is LogFormat.JSON else readable)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("streamlearner", "connectors"):
        logging.getLogger(ours).setLevel(logging.INFO)


if __name__ == "__main__":
    main()
