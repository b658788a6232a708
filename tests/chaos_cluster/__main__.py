"""`make chaos-cluster N=130`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

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
    given.log.parent.mkdir(parents=True, exist_ok=True)
    rounds = [json.loads(line) for line in given.log.read_text().splitlines()] if given.log.exists() else []
    while (left := given.events - sum(sum(it["events"].values()) for it in rounds)) > 0:
        with (
            tempfile.TemporaryDirectory(prefix="chaos-") as name,
            running_broker(Path(name) / "broker") as it,
        ):
            found = a_round(
                it,
                Path(name),
                events=min(left, given.round),
                seed=len(rounds),
                nodes=given.nodes,
                begin_s=given.patience_s,
                end_s=given.patience_s,
            )
        rounds.append(found)
        with given.log.open("a") as log:
            log.write(json.dumps(found) + "\n")
        print(json.dumps(found), flush=True)
    kinds = sum((Counter(it["events"]) for it in rounds), Counter())
    answered = sum(it["predictions"]["answered"] for it in rounds)
    in_flight = sum(it["predictions"]["failed_in_flight"] for it in rounds)
    print(
        f"{kinds.total()} events, {dict(kinds)}: all {sum(it['examples'] for it in rounds)} examples counted"
    )
    print(f"once; {answered} predictions were answered, {in_flight} were in flight to what was killed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
