"""Commands that are imported once they are asked for: a list of all of them costs none of their imports."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "run": "Learns from the configured stream and answers, until SIGTERM, SIGHUP or Ctrl-C; then drains.",
    "demo": "Learns real handwritten digits, class after class, beside a baseline that forgets them.",
    "produce": "Sends the examples of the files in source.files to Kafka, or to a daemon whose source is "
    "push.",
    "predict": "Asks a running daemon what the files show.",
    "status": "Shows how a running daemon is doing.",
    "sleep": "Asks a running daemon to sleep now.",
    "memory": "Shows what a running daemon remembers: bits by store and module, recollections by class.",
    "recollections": "Decodes inputs from a running daemon's memory: into a picture, or as JSON.",
    "labels": "Sends the label of a prediction, or those in a file; without either, says what became of "
    "labels.",
    "rollback": "Asks a running daemon to go back to an adopted model version; it goes on learning from "
    "there.",
    "serve": "Answers as a daemon does, by the versions that one publishes, and learns nothing.",
    "transplant": "Has a running daemon teach a network of another architecture, and answer with it if it "
    "passes.",
    "erase": "Erases an example, a label or a task from a running daemon, and says what stays.",
    "export": "Exports what answers, from the state folder's newest checkpoint; the daemon may run.",
    "meta-train": "Trains a gate for updates: a student of new classes alone is to show what a teacher of "
    "all reads.",
    "plan": "Says what a budget in bits holds: the size of a code, how many are kept, and of how much of the "
    "stream.",
    "bench": "Runs the experiments behind every claim, on the daemon's own learning code.",
    "cluster": "Shares a topic's partitions between several learners, on Ray.",
    "checkpoint": "Looks after the checkpoints on disk. The daemon may run beside list and verify.",
    "config": "Checks, describes and shows the configuration.",
}
"""What the list says of each: the first paragraph of its own help, word for word (a test compares them)."""

_HOMES = {
    "bench": "bench.command:bench",
    "cluster": "commands.cluster:cluster",
    "checkpoint": "commands.checkpoint:checkpoints",
    "config": "commands.config:config_commands",
}
"""Where a command is found that is not the function of its name in the file of its name."""


class CommandsOnDemand(TyperGroup):
    """All commands: the one that is called is imported, those that are listed are not."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Imported()  # type: ignore[assignment]  # typer adds none to it

    def format_help(self, *arguments: Any) -> None:
        """Typer asks each command for its help: here it asks stand-ins."""
        listed = copy.copy(self)
        listed.commands = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}
        TyperGroup.format_help(listed, *arguments)


class _Imported(Mapping[str, Any]):
    def __getitem__(self, name: str) -> Any:
        return _imported(name)

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


@cache
def _imported(name: str) -> Any:
    """The command, as Typer makes it of a function or of a group of them. Raises KeyError without one."""
    if name not in COMMANDS:
        raise KeyError(name)
    function = name.replace("-", "_")
    module, _, attribute = _HOMES.get(name, f"commands.{function}:{function}").partition(":")
    found, holder = getattr(import_module(f"streamlearner.{module}"), attribute), typer.Typer()
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name)(found)
    return typer.main.get_group(holder).commands[name]
