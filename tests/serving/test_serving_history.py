"""GET /v1/history and /v1/versions, and the thread that keeps what they answer with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from streamlearner.serving.history.curves import curves, quantile, step_for
from streamlearner.serving.history.recorder import Recorder
from streamlearner.state.history import History
from streamlearner.state.samples import Sample
from streamlearner.telemetry.metrics import Metrics
from tests.serving.conftest import MakeServing
from tests.support.patience import wait_until
from tests.support.serving_fakes import FakeDaemon, InProcess


class Clock:
    """Moved by the test."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(tmp_path: Path, clock: Clock) -> Iterator[History]:
    opened = History(tmp_path / "history.sqlite", budget_bits=8 * 2**20, now_s=clock)
    yield opened
    opened.close()


@pytest.fixture
def tick(history: History, daemon: FakeDaemon, metrics: Metrics, clock: Clock) -> Callable[[], None]:
    """Ten seconds go by, and a sample is taken."""
    recorder = Recorder(history=history, daemon=daemon, metrics=metrics, every_s=10.0, now_s=clock)
    recorder.record(sampled=True)

    def wait_and_take() -> None:
        clock.now_s += 10.0
        recorder.record(sampled=True)

    return wait_and_take


def figures(history: History) -> dict[str, Any]:
    (sample,) = history.samples(0.0, 1e12)
    return dict(sample.means) | dict(sample.counts) | {"seconds": sample.seconds}


def test_a_sample_holds_the_figures_of_the_documents_and_what_was_counted_since(
    tick: Callable[[], None], history: History, daemon: FakeDaemon, metrics: Metrics
) -> None:
    daemon.figures = {
        "examples": {"learned": 37}, "lag": {"0": 5, "1": None, "2": 2}, "prequential_accuracy": 0.75,
        "rejects": {"image": 2}, "answered": {"by_window": {"1h": 0.25}},
    }  # fmt: skip
    metrics.observe_predictions(route="neocortex", inputs=3, seconds=[0.003])
    metrics.publish_checkpoint(size_bytes=1, saved_s=1_700_000_006.0)
    tick()
    found = figures(history)
    assert found["seconds"] == 10.0
    assert (found["learned"], found["predictions"], found["rejects/image"]) == (30, 3, 2)
    assert (found["lag"], found["prequential_accuracy"], found["answered_accuracy"]) == (7, 0.75, 0.25)
    assert (found["checkpoint_age_s"], found["memory_bits/codes"]) == (4.0, 10)
    assert found["retention/2"] == 0.5
    assert "retention" not in found and "retention/one" not in found  # unknown, not zero


def test_a_full_disk_is_counted_and_marks_wait_for_it(
    tmp_path: Path, daemon: FakeDaemon, metrics: Metrics, clock: Clock
) -> None:
    (tmp_path / "h.sqlite").mkdir()
    history = History(tmp_path / "h.sqlite", budget_bits=8 * 2**20, now_s=clock)
    recorder = Recorder(history=history, daemon=daemon, metrics=metrics, every_s=0.02, now_s=clock)
    recorder.start()
    history.mark("rollback", {"version": 2})
    failed = "streamlearner_history_failures_total"
    wait_until(lambda: (metrics.registry.get_sample_value(failed) or 0) > 2, "no failure was counted")
    (tmp_path / "h.sqlite").rmdir()
    wait_until(lambda: len(history.marks(0, 1e12)) == 2, "the marks were not written")
    recorder.stop()
    assert [one.kind for one in history.marks(0, 1e12)] == ["started", "rollback"]
    history.close()


def test_an_erased_class_goes_also_while_the_documents_still_name_it(
    history: History, daemon: FakeDaemon, metrics: Metrics
) -> None:
    exam: dict[str, Any] = {"by_class": {"Ann Lee": 0.5, "7": 1.0}}
    daemon.retention = lambda: exam  # type: ignore[method-assign]
    recorder = Recorder(history=history, daemon=daemon, metrics=metrics, every_s=0.02)
    recorder.start()
    wait_until(lambda: history.samples(0, 1e12), "no sample was taken")
    history.mark("erased", {"classes": ["Ann Lee"]})
    wait_until(lambda: len(history.marks(0, 1e12)) == 2, "the erasure left no mark")
    exam = {"by_class": {"7": 1.0}}
    taken = len(history.samples(0, 1e12))
    wait_until(lambda: len(history.samples(0, 1e12)) > taken + 2, "no sample was taken")
    recorder.stop()
    assert {name for one in history.samples(0, 1e12) for name in one.means if "/" in name} == {
        "memory_bits/codes", "retention/7"
    }  # fmt: skip
    assert "Ann Lee" not in str([one.details for one in history.marks(0, 1e12)])


def answered(client: InProcess, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/v1/history?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_history_is_given_in_the_resolution_that_was_asked_for(
    make_serving: MakeServing, history: History
) -> None:
    for number in range(60):
        counts = {"learned": 50.0, "predict_le/0.01": 99.0, "predict_le/0.1": 1.0}
        sample = Sample(6_000.0 + 10 * number, 10.0, {"retention": number / 60}, {"lag": number}, counts)
        assert history.record(sample=sample)
    client = InProcess(make_serving(history=history))
    found = answered(client, "since_s=6000&until_s=6600&points=10")
    assert (found["step_s"], found["times"]) == (60, [6_000 + 60 * i for i in range(10)])
    assert found["series"]["retention"][1] == pytest.approx((6 + 7 + 8 + 9 + 10 + 11) / 6 / 60, abs=1e-5)
    assert found["series"]["examples_per_s"] == [5.0] * 10
    assert found["series"]["lag_highest"][0] == 5
    assert found["series"]["predict_p50_s"][0] == pytest.approx(0.00505, abs=1e-4)
    assert answered(client, "since_s=6000&until_s=6600&series=retention")["series"].keys() == {"retention"}
    assert 0 < found["stored_bits"] <= found["budget_bits"]
    assert found["first_s"] == 6_000.0 and found["failing"] is None


def test_marks_of_the_time_come_with_it(make_serving: MakeServing, history: History, clock: Clock) -> None:
    history.mark("sleep", {"outcome": "refused", "before": 0.9, "after": 0.5})
    serving = make_serving(history=history, history_every_s=0.05)
    serving.start()
    client = InProcess(serving)
    now_s = clock()

    def marks() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = answered(client, f"since_s={now_s - 9}&until_s={now_s + 9}")["marks"]
        return found

    wait_until(lambda: len(marks()) == 2, "the marks were not written")
    assert marks()[0] == {"at_s": now_s, "kind": "sleep", "outcome": "refused", "before": 0.9, "after": 0.5}
    assert marks()[1]["kind"] == "started"


def test_time_in_which_the_daemon_was_down_is_a_gap() -> None:
    up = [Sample(10.0 * i, 10.0, {"retention": 0.5}) for i in (0, 1, 2, 60, 61)]
    times, series = curves(up, step_s=10)
    assert times == [0, 10, 20, 30, 600, 610]
    assert series["retention"] == [0.5, 0.5, 0.5, None, 0.5, 0.5]


def test_coarse_samples_of_long_ago_have_no_gaps_between_them() -> None:
    _, series = curves([Sample(3600.0 * i, 3600.0, {"lag": 1.0}) for i in range(4)], step_s=60)
    assert series["lag"] == [1.0] * 4


@pytest.mark.parametrize(("share", "expected"), [(0.5, 1.0), (0.25, 0.5), (0.99, 9.9), (1.0, 10.0)])
def test_quantiles_of_durations(share: float, expected: float) -> None:
    assert quantile({1.0: 50.0, 10.0: 50.0 - 1e-9, float("inf"): 0.0}, share) == pytest.approx(expected, 0.02)


def test_a_quantile_above_all_bounds_is_the_highest() -> None:
    assert quantile({1.0: 0.0, 5.0: 1.0, float("inf"): 9.0}, 0.9) == 5.0


def test_no_more_points_than_asked_for() -> None:
    for seconds in (1.0, 59.0, 3_600.0, 86_400.0 * 365, 1e9):
        assert seconds / step_for(seconds, 300) <= 300


def test_wrong_times_are_refused_and_a_history_that_is_off_says_so(
    make_serving: MakeServing, history: History
) -> None:
    client = InProcess(make_serving(history=history))
    assert client.get("/v1/history?since_s=9&until_s=9").status_code == 400
    assert client.get("/v1/history?points=0").status_code == 400
    without = InProcess(make_serving())
    answer = without.get("/v1/history")
    assert answer.status_code == 409 and "history.budget_bits" in answer.text
    assert [one["version"] for one in without.get("/v1/versions").json()["versions"]] == [0, 2, 3]


def test_versions_say_what_the_exam_said_while_each_answered(
    tick: Callable[[], None], history: History, daemon: FakeDaemon, make_serving: MakeServing
) -> None:
    exam = {"overall": 0.5, "by_class": {"one": 0.5}, "as_of": 10, "forgetting": None}
    daemon.retention = lambda: exam  # type: ignore[method-assign]
    daemon.figures = {"model_version": "2.10", "network": "mlp"}
    tick()
    exam = exam | {"overall": 0.75, "as_of": 20}
    tick()
    (two,) = [one for one in read_versions(make_serving, history) if one["version"] == 2]
    assert (two["kept"], two["answers"]) == (True, True)
    assert (two["first"]["overall"], two["last"]["overall"]) == (0.5, 0.75)
    assert (two["last"]["network"], two["last"]["by_class"]) == ("mlp", {"one": 0.5})


def read_versions(make_serving: MakeServing, history: History) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        InProcess(make_serving(history=history)).get("/v1/versions").json()["versions"]
    )
    return found


def test_an_unreadable_history_is_a_503(tmp_path: Path, make_serving: MakeServing, clock: Clock) -> None:
    (tmp_path / "h.sqlite").mkdir()
    broken = History(tmp_path / "h.sqlite", budget_bits=8 * 2**20, now_s=clock)
    client = InProcess(make_serving(history=broken))
    assert client.get("/v1/history").status_code == 503
    assert client.get("/v1/versions").status_code == 503
