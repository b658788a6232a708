"""`python -m tests.chaos --faults 300`: real daemons on a real broker, harmed at instants drawn by chance.

A daemon learns one stream of digits, with re-sends and garbage among them, and meets FAULTS_A_RUN faults:
kill -9 (one in three while a checkpoint is being written, one in three asleep), SIGTERM, a freeze, a broker
that is killed and comes back. Then a second one learns the same topic in peace. Both must have counted each
example once, and must end with the same bytes. `make chaos` runs it.
"""

from __future__ import annotations

import argparse
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.support.daemon_process import DaemonProcess, differing, final_state
from tests.support.digit_stream import DigitStream
from tests.support.kafka_broker import Broker, running_broker
from tests.support.kafka_topic import make_topic
from tests.support.recovery import (
    assert_each_example_counted_once,
    calm,
    settings_of,
    wait_for_a_checkpoint_write,
    wait_for_sleep,
)

FAULTS_A_RUN = 30
PACE_S = 0.006
"""Between two messages of a stream that is still being written."""
CASES = ((1, 0, False), (3, 3, False), (1, 2, True))
"""Partitions, steps of sleep for each batch, still being written: the runs take turns."""
Fault = Callable[[DaemonProcess, Broker, random.Random], None]


def kill(daemon: DaemonProcess, broker: Broker, chance: random.Random) -> None:
    chance.choice((wait_for_a_checkpoint_write, wait_for_sleep, lambda _: None))(daemon)
    time.sleep(chance.choice((0.0, 0.002, 0.02, 0.1)))
    daemon.kill()


def drain(daemon: DaemonProcess, broker: Broker, chance: random.Random) -> None:
    code = daemon.stop()
    assert code == 0, f"exit code {code} when told to end:\n{daemon.tail()}"


def freeze(daemon: DaemonProcess, broker: Broker, chance: random.Random) -> None:
    daemon.signal(signal.SIGSTOP)
    time.sleep(chance.uniform(0.1, 4.0))
    daemon.signal(signal.SIGCONT)


def kill_broker(daemon: DaemonProcess, broker: Broker, chance: random.Random) -> None:
    broker.kill()
    time.sleep(chance.uniform(0.0, 2.0))
    broker.start()


def kill_both(daemon: DaemonProcess, broker: Broker, chance: random.Random) -> None:
    broker.kill()
    daemon.kill()
    broker.start()


FAULTS: dict[Fault, int] = {kill: 16, drain: 2, freeze: 3, kill_broker: 2, kill_both: 1}
"""How often each is drawn, beside the others."""


def harmed(daemon: DaemonProcess, broker: Broker, messages: int, *, seed: int, faults: int) -> Counter[str]:
    """How many faults of each kind it met; at the end it runs."""
    chance, met = random.Random(seed), Counter[str]()
    instants = sorted(chance.uniform(0.0, 0.93) * messages for _ in range(faults))
    daemon.start()
    for instant in instants:
        daemon.wait_until(lambda status, instant=instant: status["messages"] >= instant)
        (fault,) = chance.choices(list(FAULTS), list(FAULTS.values()))
        fault(daemon, broker, chance)
        met[fault.__name__] += 1
        if not daemon.running:
            daemon.start()
    return met


def run(broker: Broker, folder: Path, *, seed: int, faults: int) -> Counter[str]:
    """One daemon harmed and one in peace. Raises AssertionError where a promise is broken."""
    partitions, steps, still_written = CASES[seed % len(CASES)]
    topic, stream = f"chaos-{seed}", DigitStream(rounds=1)
    make_topic(broker, topic, partitions=partitions)
    write = stream.produce_beside if still_written else stream.produce
    pace = PACE_S if still_written else 0.0
    writer = write(broker.address, topic, partitions=partitions, pace=lambda _: time.sleep(pace))
    settings = settings_of(broker.address, topic, steps_per_batch=steps)
    one, other = (DaemonProcess(folder / f"{seed}-{fate}", settings) for fate in ("harmed", "calm"))
    try:
        met = harmed(one, broker, len(stream), seed=seed, faults=faults)
        one.wait_until_taken(len(stream))
        assert one.stop() == 0, one.tail()
        if writer is not None:
            writer.join()
        expected = calm(other, stream)
        assert_each_example_counted_once(one, stream)
        assert not (names := differing(final_state(one), expected)), f"not the same bytes: {names}"
    finally:
        one.close()
        other.close()
    return met


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=FAULTS_A_RUN)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first run")
    asked = parser.parse_args()
    began_s, broken = time.monotonic(), 0
    sizes = [min(FAULTS_A_RUN, asked.faults - done) for done in range(0, asked.faults, FAULTS_A_RUN)]
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder) / "broker") as broker:
        for seed, faults in enumerate(sizes, asked.first):
            try:
                met = run(broker, Path(folder), seed=seed, faults=faults)
            except AssertionError as error:
                broken += 1
                print(f"run {seed}: {error}", flush=True)
            else:
                kinds = ", ".join(f"{count} {name}" for name, count in met.most_common())
                print(f"run {seed}: {kinds}; 0 missing, 0 twice, the same bytes", flush=True)
    minutes = (time.monotonic() - began_s) / 60
    print(f"{asked.faults} faults in {minutes:.0f} minutes, {broken} of {len(sizes)} runs broke a promise")
    return int(broken > 0)


if __name__ == "__main__":
    raise SystemExit(main())
