"""The unit is accepted by systemd itself, and its restarts follow the exit codes."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "deploy" / "systemd" / "streamlearner.service"


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]


def verified(text: str, folder: Path) -> str:
    """What systemd complains of; the program is taken for installed."""
    if (binary := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    path = folder / "streamlearner.service"
    path.write_text(text.replace("/opt/streamlearner/bin/streamlearner", sys.executable))
    checked = subprocess.run([binary, "verify", "--man=no", path], capture_output=True, text=True, timeout=60)
    return "\n".join(line for line in checked.stderr.splitlines() if "streamlearner.service" in line)


def test_systemd_accepts_it_and_would_not_accept_a_slip(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert verified(text, tmp_path) == ""
    assert "Restrat" in verified(text.replace("Restart=on-failure", "Restrat=on-failure"), tmp_path)


def test_what_needs_a_person_is_not_restarted_and_all_else_that_failed_is() -> None:
    table = (ROOT / "docs/reference/cli.md").read_text().partition("## Exit codes")[2].partition("<!--")[0]
    rows = [
        line.split("|")[1:4]
        for line in table.splitlines()
        if line.startswith("| ") and "code" not in line[:8]
    ]
    persons = {int(code) for code, _, what in rows if code.strip().isdigit() and "a person" in what}
    assert persons == {74, 78}
    assert {int(code) for code in service()["RestartPreventExitStatus"].split()} == persons
    assert service()["Restart"] == "on-failure"


def test_it_drains_within_the_time_that_it_is_given() -> None:
    assert (service()["KillSignal"], service()["TimeoutStopSec"]) == ("SIGTERM", "60s")
