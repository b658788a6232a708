"""The demo: a daemon on the embedded default learns handwritten digits, class after class, while you watch.

The examples go over HTTP into the daemon's durable log, as a user's would. At the end its retention on digits
that it never saw stands beside that of a network that was only fine-tuned on the same stream.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.live import Live
from rich.table import Table

from streamlearner.app import build, digits
from streamlearner.client import Client
from streamlearner.commands.demo_picture import line, picture
from streamlearner.commands.producing import push
from streamlearner.config import loading as configuration
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon.loop import Daemon
from streamlearner.decoding.codec import encode_raw
from streamlearner.decoding.inputs import wire_input
from streamlearner.errors import StreamlearnerError
from streamlearner.stream import Message

HELD_OUT_EVERY = 5
"""Every fifth digit is never sent: the test of the summary."""
LOOK_EVERY_S = 0.25
LINE_EVERY_S = 2.0
DEADLINE_S = 600.0

SETTINGS: dict[str, Any] = {
    "memory.budget_bits": 25_600,  # the bits of fifty raw digits
    "memory.sampling": "balanced",
    "method.learning_rate": 0.2,  # a small network and a short stream: larger steps, and more of them
    "method.steps": 3,
    "method.recollections_per_step": 20,
    "method.ema_decay": 0.98,
    "exam.budget_bits": 65_536,
    "exam.fraction": 0.06,
    "sleep.every_examples": 250,
    "sleep.min_examples": 100,
    "sleep.steps_per_batch": 25,
    "sleep.tolerance": 0.02,
    "evaluation.every_examples": 50,
    "evaluation.prequential_window": 200,
    "checkpoint.every_examples": 200,
    "serving.refresh_every_examples": 20,
    "daemon.linger_s": 0.5,
}
"""Chosen among nine settings with the exam's retention and the summary's figure both in view: so the summary
shows the daemon at work and is no benchmark. Claims are made by `streamlearner bench`."""


@dataclass(frozen=True, slots=True)
class Digits:
    """The stream in class order, and the digits held out from it: images [n, 8, 8] uint8, labels [n]."""

    messages: list[Message]
    test_images: np.ndarray[Any, Any]
    test_labels: list[int]


def class_ordered() -> Digits:
    data = digits()
    held_out = [i for i in range(len(data)) if i % HELD_OUT_EVERY == 0]
    sent = sorted((i for i in range(len(data)) if i % HELD_OUT_EVERY), key=lambda i: data.targets[i])
    messages = []
    for offset, i in enumerate(sent):
        value, headers = encode_raw(data.images[i], label=data.targets[i])
        messages.append(Message(value, "digits", 0, offset, headers=headers))
    return Digits(messages, data.images[held_out], [data.targets[i] for i in held_out])


def settings(state_dir: Path, more: dict[str, Any]) -> configuration.Config:
    """The demo's configuration; the user's environment and file do not apply."""
    return configuration.load(path=None, settings={"state_dir": str(state_dir)} | SETTINGS | more, environ={})


def run(*, exit_at_end: bool, port: int, examples_per_s: float) -> int:
    """Runs the demo; 0, or 1 where retention did not beat the baseline or the stream did not end in time."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="streamlearner-demo-") as folder:
        daemon = build(settings(Path(folder) / "daemon", {"serving.port": port}))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        outcome = [1]

        def watch() -> None:
            try:
                outcome[0] = tell(daemon, console, folder=Path(folder), examples_per_s=examples_per_s)
            except StreamlearnerError as error:
                console.print(f"[bold red]error:[/] {error}")
            if exit_at_end:
                daemon.stop()
            elif not daemon.stopping:
                console.print(
                    f"Still serving on [bold]{address(daemon)}[/]: open it in a browser. Ctrl-C ends."
                )

        watcher = threading.Thread(target=watch, name="demo", daemon=True)
        watcher.start()
        daemon.run()
        watcher.join(timeout=5)
    return outcome[0] if exit_at_end else 0


def address(daemon: Daemon) -> str:
    host, port = daemon.serving.address
    return f"http://{host}:{port}"


def tell(daemon: Daemon, console: Console, *, folder: Path, examples_per_s: float) -> int:
    """Pushes the stream, shows what happens, then compares with the baseline."""
    stream = class_ordered()
    while not daemon.requests.status().get("uptime_s"):
        time.sleep(0.05)
    client = Client(address(daemon))
    console.print(
        f"{len(stream.messages)} handwritten digits go to [bold]{address(daemon)}[/], one class after "
        f"the other, {examples_per_s:g} a second. Forgetting would show in the bars of the early classes."
    )
    pusher = threading.Thread(
        target=push,
        args=(iter(stream.messages),),
        kwargs={"client": client, "examples_per_s": examples_per_s},
        daemon=True,
    )
    pusher.start()
    if not show(client, console, expected=len(stream.messages)):
        return 1
    console.print("The stream has ended; now it sleeps on it.")
    sleeps = look(client)["status"]["sleeps"]
    client.sleep()
    if not show(client, console, expected=len(stream.messages), after_sleeps=sum(sleeps.values()) + 1):
        return 1
    ours = accuracies(stream, lambda inputs: client.predict(inputs)["predictions"])
    console.print("The same stream again, for a network that is only fine-tuned ...")
    return compare(console, ours=ours, baseline=finetuned(stream, folder=folder), answers=look(client))


def look(client: Client) -> dict[str, Any]:
    return {"status": client.status(), "retention": client.retention(), "memory": client.memory()}


def show(client: Client, console: Console, *, expected: int, after_sleeps: int = 0) -> bool:
    """Live progress in a terminal, else a line now and then; True once all was taken and sleep ended."""
    deadline, next_line = time.monotonic() + DEADLINE_S, 0.0
    with (
        Live(console=console, auto_refresh=False, transient=False)
        if console.is_terminal
        else nullcontext() as live
    ):
        while time.monotonic() < deadline:
            answers = look(client)
            now = answers["status"]
            done = (
                now["messages"] >= expected
                and not now["asleep"]
                and sum(now["sleeps"].values()) >= after_sleeps
            )
            if live is not None:
                live.update(picture(answers, expected=expected, address=client.address), refresh=True)
            elif done or time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_EVERY_S
                console.print(line(answers, expected=expected), highlight=False, soft_wrap=True)
            if done:
                return True
            time.sleep(LOOK_EVERY_S)
    console.print(f"[red]the stream was not learned within {DEADLINE_S:g} s[/]")
    return False


def accuracies(
    stream: Digits, answer: Callable[[list[Any]], Sequence[Mapping[str, Any]]]
) -> dict[int, float]:
    """Accuracy on the held-out digits, by class."""
    inputs = [wire_input(image[None]) for image in stream.test_images]
    answers = [int(found["label"]) for found in answer(inputs)]
    right: dict[int, list[bool]] = {}
    for found, label in zip(answers, stream.test_labels, strict=True):
        right.setdefault(label, []).append(found == label)
    return {label: sum(hits) / len(hits) for label, hits in sorted(right.items())}


def finetuned(stream: Digits, *, folder: Path) -> dict[int, float]:
    """The baseline: the same daemon code and network, without memory or sleep, from the memory source."""
    more = {
        "method.name": "finetune",
        "daemon.at_end": "exit",
        "serving.port": 0,
        "sleep.every_examples": None,
    }
    baseline = build(settings(folder / "baseline", more), source=MemorySource(stream.messages))
    baseline.run()
    assert baseline.learner is not None
    predictor = baseline.learner.predictor()
    return accuracies(
        stream,
        lambda _: [
            {"label": a.label} for a in predictor.predict(torch.from_numpy(stream.test_images)[:, None])
        ],
    )


def compare(
    console: Console, *, ours: dict[int, float], baseline: dict[int, float], answers: dict[str, Any]
) -> int:
    table = Table(title="Accuracy on digits that were never sent, after the whole stream")
    for heading in ("class", "streamlearner", "finetune"):
        table.add_column(heading, justify="right")
    for label, value in ours.items():
        table.add_row(str(label), f"{value:.0%}", f"{baseline.get(label, 0.0):.0%}")
    mean, other = (sum(kept.values()) / len(kept) for kept in (ours, baseline))
    table.add_section()
    table.add_row("retention", f"[bold]{mean:.1%}[/]", f"[bold]{other:.1%}[/]")
    console.print(table)
    memory = answers["memory"]
    console.print(
        f"Remembered in {memory['stored_bits']['recollections']:,} bits: {memory['recollections']} "
        f"recollections, where raw digits would be {memory['budget_bits'] // (8 * 64 + 4)}. Model version "
        f"{answers['status']['model_version']}, {answers['status']['sleeps']['adopted']} sleeps adopted."
    )
    console.print(
        "[green]Retention beat the baseline.[/]"
        if mean > other
        else "[red]Retention did not beat the baseline.[/]"
    )
    return 0 if mean > other else 1
