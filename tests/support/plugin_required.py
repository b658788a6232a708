"""A pytest plugin for CI: `pytest -p tests.support.plugin_required` with STREAMLEARNER_REQUIRE_ALL=1.

A test that skips because a broker, Java, the shared data, Prometheus, curl or a client of a
protocol is missing is a failure there:
else a CI machine that lost one of them stays green and checks nothing. Every other skip stays a skip, and
without the variable so does every one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import TypeVar

import pytest

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
REQUIRED = re.compile(
    r"\b(broker|kafka|java|shared|prometheus|promtool|curl|tritonclient|grpc|ray)\b", re.IGNORECASE
)


def is_strict() -> bool:
    return os.environ.get("STREAMLEARNER_REQUIRE_ALL", "") not in ("", "0")


def refuse(report: Report) -> Report:
    """The same report, as a failure where it was skipped for want of something that CI must have."""
    if not (report.skipped and is_strict() and isinstance(report.longrepr, tuple)):
        return report
    path, line, reason = report.longrepr
    if REQUIRED.search(reason):
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {reason}\nSTREAMLEARNER_REQUIRE_ALL is set, so this may not skip."
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse((yield))
