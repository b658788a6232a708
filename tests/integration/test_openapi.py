"""The OpenAPI description and a real daemon: schemathesis asks all that is allowed, and what is not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.asked_daemon import AskedDaemon

ROOT = Path(__file__).resolve().parents[2]
SIDE = 16
"""The least that every network takes: which one a transplant names is up to schemathesis."""
CASES = 3
"""Of each operation at random, beside some nine hundred that its coverage phase enumerates."""
TIMEOUT_S = 600.0

HOOKS = {
    "SCHEMATHESIS_HOOKS": "tests.support.openapi_hooks", "PYTHONPATH": str(ROOT), "OPENAPI_SIDE": str(SIDE),
}  # fmt: skip


def square(level: int) -> list[list[int]]:
    return [[level] * SIDE for _ in range(SIDE)]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[AskedDaemon]:
    """One that has learned two classes from pushed examples."""
    settings = {"threads": 1, "daemon.linger_s": 0.05, "serving.token": "secret"}
    pushed = [{"input": square(20 + 200 * (i % 2)), "label": ["dark", "light"][i % 2]} for i in range(60)]
    with AskedDaemon(settings, tmp_path / "state", messages=None, token="secret") as found:
        found.post("/v1/examples", {"examples": pushed})
        found.until(lambda: found.get("/v1/status"), lambda status: status["examples"]["learned"] > 40)
        found.until(lambda: found.get("/readyz"), lambda answer: answer["ready"])
        yield found
        assert found.get("/livez") == {"live": True}


@pytest.mark.slow
def test_no_check_of_schemathesis_fails(daemon: AskedDaemon, tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("schemathesis")
    if not command.exists() and shutil.which("schemathesis") is None:
        pytest.skip("schemathesis is missing: pip install 'streamlearner[test]'")
    asked = subprocess.run(
        [
            command if command.exists() else "schemathesis",
            "run", f"http://127.0.0.1:{daemon.port}/openapi.json",
            "--checks", "all", "--continue-on-failure", "--max-examples", str(CASES), "--seed", "1",
            # An erasure is answered 202 once a sleep has kept it waiting for ten seconds: that is no failure.
            "--request-timeout", "60", "--max-response-time", "30",
            "--header", "Authorization: Bearer secret",
        ],
        cwd=tmp_path,
        env=os.environ | HOOKS,
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stdout[-6000:] + asked.stderr[-2000:]
    selected, tested = re.search(r"Selected: (\d+)/\d+\s+Tested: (\d+)", asked.stdout).groups()  # type: ignore[union-attr]
    assert selected == tested
    assert int(selected) > 20
    assert daemon.failures == []
