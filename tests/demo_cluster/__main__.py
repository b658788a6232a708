"""`make demo-cluster`: two learners, a consolidator, two replicas and Kafka on this machine. Digits come in
class order, one learner is killed half-way, and predictions are asked for all the while."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from streamlearner.client import Client
from streamlearner.commands.demo_run import Digits, accuracies, class_ordered, finetuned
from streamlearner.errors import StreamlearnerError
from tests.demo_cluster.broker import a_broker
from tests.demo_cluster.picture import Moment, by_class, line, timeline
from tests.demo_cluster.stage import Asker, Producer, Stage
from tests.support.kafka_broker import NoBroker

START_S, LEARN_S = 600.0, 900.0
LOOK_EVERY_S, LINE_EVERY_S = 0.5, 3.0
UNAVAILABLE = 69
VICTIM = "learner-0"


def main() -> int:
    """0 where each digit counted once, no prediction failed, and retention beat the baseline; else 1."""
    parser = argparse.ArgumentParser(prog="make demo-cluster", description=__doc__)
    parser.add_argument("--broker", help="ADDRESS of a Kafka of your own; without, one is started")
    parser.add_argument("--rate", type=float, default=30.0, help="digits in a second")
    asked, console = parser.parse_args(), Console()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="streamlearner-demo-")))
        try:
            broker = asked.broker or opened.enter_context(a_broker(folder / "kafka"))
            stage = opened.enter_context(Stage(folder, broker=broker))
            return play(stage, console, rate=asked.rate)
        except NoBroker as missing:
            console.print(f"[red]error:[/] {missing}", soft_wrap=True)
            return UNAVAILABLE
        except (StreamlearnerError, TimeoutError) as error:
            console.print(f"[red]error:[/] {error}", soft_wrap=True)
            return 1
        except KeyboardInterrupt:
            return 130


def play(stage: Stage, console: Console, *, rate: float) -> int:
    stream, began_s = class_ordered(), time.monotonic()
    console.print("Ray starts two learners, a consolidator and two replicas: a minute or so.")
    stage.until(lambda: stage.answers, limit_s=START_S)
    console.print(f"After {time.monotonic() - began_s:.0f} s replicas answer on [bold]{stage.address}[/].")
    console.print(
        f"{len(stream.messages)} handwritten digits go to four partitions, one class after the other, "
        f"{rate:g} a second. Half-way {VICTIM} is killed."
    )
    producer, asker = Producer(stage, stream.messages, rate=rate), Asker(Client(stage.address), stream)
    moments = watch(stage, console, producer, asker)
    asker.stop()
    ours = accuracies(stream, lambda inputs: answers_of(stage, inputs))
    console.print(timeline(moments, killed_s=producer.killed_s, asked=asker.asked, failed=asker.failed))
    console.print("The same stream again, for a single network that is only fine-tuned ...")
    return verdict(stage, console, stream, ours=ours, asker=asker)


def watch(stage: Stage, console: Console, producer: Producer, asker: Asker) -> list[Moment]:
    """Looks until all was learned, and taught to a version; on the way it kills one learner."""
    moments: list[Moment] = []
    end_s, next_line_s = time.monotonic() + LEARN_S, 0.0
    while not moments or not finished(stage, moments[-1], producer):
        if time.monotonic() > end_s:
            raise TimeoutError(f"the stream was not learned within {LEARN_S:g} s: {moments[-1:]}")
        if producer.killed_s is None and producer.sent >= producer.total / 2:
            stage.kill(VICTIM)
            producer.killed_s = time.monotonic()
            console.print(f"[red]{VICTIM} was killed[/] (kill -9) after {producer.sent} digits.")
        moments.append(Moment(time.monotonic(), stage.status(), asker.asked, asker.failed))
        if time.monotonic() >= next_line_s:
            next_line_s = time.monotonic() + LINE_EVERY_S
            console.print(line(moments[-1], expected=producer.total), highlight=False, soft_wrap=True)
        time.sleep(LOOK_EVERY_S)
    return moments


def finished(stage: Stage, moment: Moment, producer: Producer) -> bool:
    """All digits are counted, and the replicas answer with what was taught from all of them but a few."""
    status = moment.status
    partitions = [own for it in status["learners"] for own in it["partitions"].values()]
    left = sum(own["learned"] for own in partitions) - (status["consolidation"] or {}).get("learned", 0)
    followed = {it["version"] for it in status["replicas"]} == {status["version"]}
    whole = status["examples"] == producer.total and not status["without_owner"]
    return whole and followed and left < stage.consolidate_every


def answers_of(stage: Stage, inputs: list[Any]) -> Any:
    client = Client(stage.address)
    found: list[Any] = []
    for first in range(0, len(inputs), 100):
        found += client.predict(inputs[first : first + 100])["predictions"]
    return found


def verdict(stage: Stage, console: Console, stream: Digits, *, ours: dict[int, float], asker: Asker) -> int:
    baseline = finetuned(stream, folder=stage.folder)
    console.print(by_class(ours, baseline))
    status = stage.status()
    once = status["examples"] == len(stream.messages)
    learner = next(it for it in status["learners"] if it["name"] == VICTIM)
    mean, other = (sum(kept.values()) / len(kept) for kept in (ours, baseline))
    told = {
        f"{status['examples']} of {len(stream.messages)} digits counted, each once": once,
        f"{VICTIM} was started again by Ray, {learner['restarts']} time(s)": learner["restarts"] >= 1,
        f"{asker.asked} predictions asked meanwhile, {asker.failed} failed": not asker.failed,
        f"version {status['version']}: {mean:.1%} of digits never sent, fine-tuned {other:.1%}": mean > other,
    }
    for words, held in told.items():
        console.print(f"[green]yes[/] {words}" if held else f"[red]no[/]  {words}", highlight=False)
    return 0 if all(told.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
