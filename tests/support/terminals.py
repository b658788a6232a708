"""A reader's two terminals: the first runs a daemon until it is stopped, the second block after block."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.daemon_process import free_port
from tests.support.forked_commands import ShellCommands
from tests.support.patience import LONGEST_S, STILL_S, Patience, cpu_steps

SHOWN_ADDRESS, SHOWN_BROKER = "127.0.0.1:8080", "127.0.0.1:29092"


class Terminals:
    """Both stand in `folder`, with the environment of a new user. Ports are free ones in place of those
    shown."""

    def __init__(self, folder: Path, *, broker: str | None = None) -> None:
        self.folder = folder
        self.broker = broker
        self.address = f"127.0.0.1:{free_port()}"
        self.log = folder / "first-terminal.log"
        self._sent = {"push": 0, "kafka": 0}
        self._source = "push"
        self._environment = folder / ".environment"
        self._commands = ShellCommands(folder / ".commands")
        self._daemon: subprocess.Popen[bytes] | None = None

    def run(self, text: str) -> str:
        """In the second terminal, which keeps what earlier blocks exported; what was printed. A user is
        slower than the daemon: that has learned everything before. Raises AssertionError where a command
        fails."""
        if self._daemon is not None:
            self.wait_until_learned()
        script = f'set -e\n{self._kept()}{self._here(text)}\nexport -p > "$KEPT_ENVIRONMENT"\n'
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self._environ(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST_S,
        )  # fmt: skip
        assert done.returncode == 0, f"code {done.returncode} of:\n{text}\n{done.stdout}\n{self.tail()}"
        to = "kafka" if "streamlearner produce" in text and "--to push" not in text else "push"
        counts = re.findall(r"^sent ([\d,]+) examples|\"accepted\":(\d+)", done.stdout, re.MULTILINE)
        self._sent[to] += sum(int("".join(each).replace(",", "")) for each in counts)
        return done.stdout

    def start(self, text: str) -> None:
        """In the first terminal; returns once the daemon answers. One that runs there is stopped before."""
        self.stop()
        self._source = "kafka" if "source.type=kafka" in text else "push"
        self.address = f"127.0.0.1:{free_port()}"  # the one before may not be free yet
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(
                ["bash", "-c", f"{self._kept()}exec {self._here(text)}"], cwd=self.folder,
                env=self._environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        patience = Patience()
        while self.status() is None:
            assert self._daemon.poll() is None, f"the daemon ended by itself:\n{self.tail()}"
            assert patience.lasts(self.tail(), self._cpu_steps()), f"no answer; {patience}\n{self.tail()}"
            time.sleep(0.05)

    def stop(self) -> None:
        """Ctrl-C in the first terminal: a daemon that still runs drains and ends with 0."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return
        if daemon.poll() is None:
            daemon.send_signal(signal.SIGINT)
        assert daemon.wait(timeout=LONGEST_S) in (0, -signal.SIGKILL), self.tail()

    def wait_until_learned(self) -> None:
        """Until the daemon took all that was sent and is awake, or ended."""
        patience = Patience()
        while self._daemon is not None and self._daemon.poll() is None:
            found = self.status() or {}
            if found.get("messages", 0) >= self._sent[self._source] and not found.get("asleep"):
                return
            signs = found.get("messages"), found.get("asleep"), self._cpu_steps()
            assert patience.lasts(*signs), f"not all was learned; {patience}\n{self.tail()}"
            time.sleep(0.05)

    def status(self) -> dict[str, Any] | None:
        """/v1/status; None while nothing answers."""
        try:
            return self.ask("/v1/status")
        except (OSError, urllib.error.URLError):
            return None

    def ask(self, path: str) -> dict[str, Any]:
        """The JSON that the daemon answers with."""
        with urllib.request.urlopen(f"http://{self.address}{path}", timeout=STILL_S) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _cpu_steps(self) -> int:
        """The daemon's time on cores: it moves while torch loads, before anything can be asked."""
        return cpu_steps(self._commands.cpu_s())

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def close(self) -> None:
        """Leaves no process behind."""
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.kill()
            self._daemon.wait()
        self._commands.close()

    def _here(self, text: str) -> str:
        text = text.replace(SHOWN_ADDRESS, self.address)
        return text.replace(SHOWN_BROKER, self.broker) if self.broker else text

    def _kept(self) -> str:
        """What earlier blocks exported, but for the port, which is new with each start."""
        kept = f". {self._environment}\n" if self._environment.exists() else ""
        return kept + "".join(f"export {name}={text}\n" for name, text in self._ports().items())

    def _environ(self) -> dict[str, str]:
        """The caller's without settings of streamlearner; `streamlearner` and the environment's programs come
        first."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("STREAMLEARNER_")}
        path = os.pathsep.join((str(self._commands.folder), str(Path(sys.executable).parent), kept["PATH"]))
        return kept | {"PATH": path, "OMP_NUM_THREADS": "1", "KEPT_ENVIRONMENT": str(self._environment)}

    def _ports(self) -> dict[str, str]:
        port = self.address.rpartition(":")[2]
        return {"STREAMLEARNER_ADDRESS": f"http://{self.address}", "STREAMLEARNER_SERVING__PORT": port}
