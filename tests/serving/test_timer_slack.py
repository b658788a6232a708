"""The thread that answers is woken on time; no other is changed."""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from streamlearner.serving.timer_slack import GET_TIMER_SLACK, PRECISE_NS, wake_on_time

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="timer slack is Linux's")


def slack_ns() -> int:
    return int(ctypes.CDLL(None).prctl(GET_TIMER_SLACK, 0, 0, 0, 0))


def test_a_thread_is_woken_on_time_and_no_other_is() -> None:
    before_ns = slack_ns()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(slack_ns).result() > PRECISE_NS
        pool.submit(wake_on_time).result()
        assert pool.submit(slack_ns).result() == PRECISE_NS
    assert slack_ns() == before_ns
