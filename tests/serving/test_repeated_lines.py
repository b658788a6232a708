"""A scanner that speaks no HTTP does not fill the log."""

from __future__ import annotations

import logging

from streamlearner.serving.repeated_lines import QUIET_S, OnceInAWhile


def test_of_a_line_that_comes_again_and_again_one_in_a_while_is_shown_with_their_count() -> None:
    now_s = 0.0
    found = OnceInAWhile("Invalid HTTP", clock=lambda: now_s)

    def said(text: str) -> str:
        record = logging.LogRecord("uvicorn.error", logging.WARNING, "h11.py", 1, text, (), None)
        return record.getMessage() if found.filter(record) else ""

    assert [said("Invalid HTTP request received.") for _ in range(500)] == [
        "Invalid HTTP request received.", *[""] * 499,
    ]  # fmt: skip
    assert said("another line") == "another line"
    now_s = QUIET_S
    assert said("Invalid HTTP request received.").endswith("received. (499 more like it were left out)")
    assert said("Invalid HTTP request received.") == ""
