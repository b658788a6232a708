"""In CI a test that lacks its broker, data or Prometheus fails; elsewhere it skips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUITE = """
import pytest

def test_lacks_java():
    pytest.skip("no java on the PATH, so no Kafka broker")

@pytest.mark.skipif(True, reason="promtool is not installed")
def test_lacks_promtool():
    pass

def test_lacks_a_gpu():
    pytest.skip("no GPU")

def test_runs():
    pass
"""
UNCOLLECTED = 'import pytest\npytest.skip("no shared data at ../shared", allow_module_level=True)\n'


def last_line(folder: Path, *, suite: str, required: str | None) -> str:
    """How pytest sums up that suite, with STREAMLEARNER_REQUIRE_ALL set so (None: not set)."""
    (folder / "test_suite.py").write_text(suite)
    environment = {name: value for name, value in os.environ.items() if name != "STREAMLEARNER_REQUIRE_ALL"}
    if required is not None:
        environment["STREAMLEARNER_REQUIRE_ALL"] = required
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.support.plugin_required",
        "-p",
        "no:cacheprovider",
        "-c",
    ]
    done = subprocess.run(
        [*command, os.devnull, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout.splitlines()[-1]


def test_a_missing_tool_fails_where_all_are_required_and_other_skips_stay(tmp_path: Path) -> None:
    assert "1 failed, 1 passed, 1 skipped, 1 error" in last_line(tmp_path, suite=SUITE, required="1")


def test_a_module_that_lacks_the_shared_data_fails_where_all_are_required(tmp_path: Path) -> None:
    assert "1 error" in last_line(tmp_path, suite=UNCOLLECTED, required="1")


@pytest.mark.parametrize("required", [None, "", "0"])
def test_everything_skips_where_nothing_is_required(tmp_path: Path, required: str | None) -> None:
    assert "1 passed, 3 skipped" in last_line(tmp_path, suite=SUITE, required=required)
