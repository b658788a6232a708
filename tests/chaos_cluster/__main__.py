"""`make chaos-cluster N=130`."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos_cluster.fates import drawn
from tests.chaos_cluster.rounds import NODES, a_round
from tests.support.kafka_broker import running_broker

HERE = Path(__file__).parents[2]


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.chaos_cluster")
    asked.add_argument("--events", type=int, default=130, help="kills, changes and frozen learners, in all")
    asked.add_argument("--round", type=int, default=10, help="events of one cluster")
    asked.add_argument("--nodes", type=int, default=NODES, help="of Ray, beside the head")
    asked.add_argument("--log", type=Path, default=HERE / ".cache" / "chaos-cluster.jsonl")
    asked.add_argument("--patience-s", type=float, default=900.0, help="to begin, and to end, a round")
    given = asked.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the broker and the nodes end, too
    rounds = read(given.log)
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as name,
        running_broker(Path(name) / "broker") as broker,
    ):
        while kinds := drawn(given.events, happened(rounds), most=given.round, seed=len(rounds)):
            folder = Path(name) / str(len(rounds))
            folder.mkdir()
            rounds.append(
                a_round(
                    broker,
                    folder,
                    kinds=kinds,
                    seed=len(rounds),
                    nodes=given.nodes,
                    begin_s=given.patience_s,
                    end_s=given.patience_s,
                )
            )
            shutil.rmtree(folder, ignore_errors=True)
            write(given.log, rounds)
            print(json.dumps(rounds[-1]), flush=True)
    print(summary(rounds))
    return 0


def read(log: Path) -> list[dict[str, Any]]:
    """The rounds that were survived so far."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def write(log: Path, rounds: list[dict[str, Any]]) -> None:
    """Whole or not at all: whoever ends this process finds a log from which it goes on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    aside = log.with_suffix(".part")
    aside.write_text("".join(json.dumps(it) + "\n" for it in rounds))
    aside.replace(log)


def happened(rounds: list[dict[str, Any]]) -> Counter[str]:
    return sum((Counter(it["events"]) for it in rounds), Counter())


def summary(rounds: list[dict[str, Any]]) -> str:
    kinds, asked = happened(rounds), [it["predictions"] for it in rounds]
    answered, in_flight = (sum(it[name] for it in asked) for name in ("answered", "failed_in_flight"))
    examples = sum(it["examples"] for it in rounds)
    return (
        f"{kinds.total()} events in {len(rounds)} clusters, {dict(kinds)}: all {examples} examples counted "
        f"once; {answered} predictions were answered, {in_flight} were in flight to what was killed"
    )


if __name__ == "__main__":
    sys.exit(main())
