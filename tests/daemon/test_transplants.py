"""A transplant is asked for: who may, what is refused and why, what the command line makes of it."""

from __future__ import annotations

import urllib.error
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamlearner.app import build
from streamlearner.commands import main as cli
from streamlearner.commands import status_view
from streamlearner.connectors.memory import MemorySource
from streamlearner.daemon import transplants
from streamlearner.daemon.loop import Daemon
from streamlearner.errors import ConfigError, InvalidInput, StreamlearnerError
from streamlearner.serving import Conflict
from tests.support.canned_daemon import canned_daemon
from tests.support.daemon_runs import ask, running, state, wait_until
from tests.support.transplants import STREAM, a_config, ended, network

# by the daemon


Prepared = Callable[..., Daemon]


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Prepared]:
    """Never run: the tests are its learning thread. It has learned twelve batches."""
    with ExitStack() as made:

        def make(**more: Any) -> Daemon:
            daemon = made.enter_context(
                closing(build(a_config(tmp_path, **more), source=MemorySource(STREAM)))
            )
            for _ in range(12):
                daemon.wake()
            return daemon

        yield make


def asleep(daemon: Daemon) -> None:
    daemon.learner.begin_consolidation()  # type: ignore[union-attr]


def transplanting_already(daemon: Daemon) -> None:
    daemon.begin_transplant("mlp", None)


def as_it_is(daemon: Daemon) -> None:
    pass


@pytest.mark.parametrize(
    ("more", "first", "to", "words"),
    [
        ({"method__name": "finetune"}, as_it_is, "mlp", "method finetune remembers no inputs"),
        ({"exam__fraction": 0.0}, as_it_is, "mlp", "the exam holds no example yet"),
        ({}, as_it_is, "lenet", "lenet is the network that answers already"),
        ({}, asleep, "mlp", "the daemon sleeps: ask again once it is awake"),
        ({}, transplanting_already, "resnet18_reduced", "a transplant is under way already"),
    ],
)
def test_what_cannot_be_now_is_refused_with_the_reason_and_nothing_begins(
    prepared: Prepared, more: dict[str, Any], first: Callable[[Daemon], None], to: str, words: str
) -> None:
    daemon = prepared(**more)
    assert daemon.learner is not None
    first(daemon)
    before = daemon.learner.transplant, daemon.learner.consolidation
    with pytest.raises(Conflict, match=words):
        daemon.begin_transplant(to, 1)
    assert (daemon.learner.transplant, daemon.learner.consolidation) == before


def test_whatever_the_seed_a_sleep_and_a_transplant_begin(prepared: Prepared) -> None:
    daemon = prepared(seed=10**30)
    assert daemon.learner is not None
    daemon.begin_transplant("mlp", 2)
    for _ in range(4):
        daemon.consolidate()
    assert daemon.learner.transplant is not None and daemon.learner.transplant.done > 0


@pytest.mark.parametrize(
    ("to", "words"),
    [("lennet", "no network 'lennet'; did you mean lenet"), ("auto", "for these inputs it means lenet")],
)
def test_a_network_that_is_none_is_refused_by_name(prepared: Prepared, to: str, words: str) -> None:
    daemon = prepared()
    with pytest.raises(InvalidInput, match=words):
        daemon.begin_transplant(to, 1)
    assert not daemon.state.asleep


def test_a_device_that_holds_no_numbers_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="device: meta cannot be used"):
        build(a_config(tmp_path, device="meta"), source=MemorySource())


def test_a_daemon_that_learned_nothing_has_nothing_to_pass_on(tmp_path: Path) -> None:
    daemon = build(a_config(tmp_path), source=MemorySource())
    with closing(daemon), pytest.raises(Conflict, match="nothing has been learned yet"):
        daemon.begin_transplant("mlp", 1)


def test_a_transplant_that_began_is_in_a_checkpoint_at_once_and_holds_off_sleeps(
    prepared: Prepared, tmp_path: Path
) -> None:
    daemon = prepared(sleep__every_examples=50, sleep__min_examples=0)
    daemon.begin_transplant("mlp", None)
    saved = state(tmp_path)
    assert saved["learner"]["transplant"]["steps"] == transplants.DEFAULT_STEPS
    assert saved["schedule"]["asleep"] and saved["schedule"]["since_examples"] > 50
    for _ in range(6):
        daemon.wake()
        daemon.consolidate()
    assert daemon.learner is not None and daemon.learner.consolidation is not None
    assert daemon.learner.consolidation.transplant is daemon.learner.transplant


def test_over_http_it_is_heard_once_and_what_cannot_be_is_a_400_or_a_409(tmp_path: Path) -> None:
    source = MemorySource(STREAM[:60], finite=False)
    config = a_config(tmp_path, sleep__every_examples=None)

    def refused(**body: Any) -> tuple[int, str]:
        with pytest.raises(urllib.error.HTTPError) as error:
            ask(daemon, "/v1/transplant", body)
        return error.value.code, error.value.read().decode()

    with running(build(config, source=source)) as daemon:
        wait_until(lambda: daemon.state.tally.messages == 60, "learned")
        code, said = refused(to="lennet")
        assert (code, "did you mean" in said) == (400, True)
        assert refused(to="mlp", steps=0)[0] == refused(network="mlp")[0] == 400
        assert refused(to="lenet")[0] == 409
        ask(daemon, "/v1/transplant", {"to": "mlp", "steps": 1_000_000})
        assert refused(to="mlp")[0] == 409
        assert daemon.requests.status().get("transplant") is None or not ended(daemon)


# by the command line


def said(*words: str) -> Result:
    return CliRunner().invoke(cli.app, ["transplant", *words])


def an_outcome(outcome: str, *, number: int = 4, after: float | None = 0.95) -> dict[str, Any]:
    figures = {"number": number, "to": "mlp", "steps": 500, "done": 500, "outcome": outcome}
    return {"transplant": figures | {"before": None if after is None else 0.97, "after": after}}


def waited(*statuses: dict[str, Any]) -> Result:
    """What the command says that waits while the daemon answers with these, in turn."""
    with canned_daemon() as daemon:
        begun = {"requested": "transplant", "number": 4, "to": "mlp", "steps": 500}
        daemon.will_answer("/v1/transplant", begun, status=202)
        daemon.will_answer("/v1/status", *statuses)
        found = said("--to", "mlp", "--steps", "500", "--wait", "-a", daemon.address, "--token", "hunter2")
        assert (daemon.asked[0].body, daemon.asked[0].authorization) == (
            {"to": "mlp", "steps": 500},
            "Bearer hunter2",
        )
        assert len(daemon.asked) == 1 + len(statuses)
        return found


def test_the_command_asks_and_says_where_to_look() -> None:
    with canned_daemon() as daemon:
        daemon.will_answer("/v1/transplant", {"number": 1, "to": "mlp", "steps": 3000}, status=202)
        found = said("--to", "mlp", "-a", daemon.address)
        assert [asked.body for asked in daemon.asked] == [{"to": "mlp"}]
    assert (found.exit_code, "teaching mlp in 3,000 steps" in found.output) == (0, True)


def test_the_command_can_wait_for_the_outcome_whatever_was_published_before() -> None:
    before = [{"transplant": None}, an_outcome("refused", number=3), an_outcome("running", after=None)]
    found = waited(*before, an_outcome("adopted"))
    assert found.exit_code == 0
    assert found.output == "mlp was adopted and answers now: exam 97.0% before, 95.0% after\n"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            an_outcome("refused", after=0.5),
            "the exam refused mlp: exam 97.0% before, 50.0% after; nothing",
        ),
        (an_outcome("interrupted", after=None), "was interrupted"),
        (an_outcome("running", number=5, after=None), "another one began meanwhile"),
    ],
)
def test_the_command_ends_with_1_unless_the_network_was_adopted(status: dict[str, Any], words: str) -> None:
    error = waited(status).exception
    assert isinstance(error, StreamlearnerError)
    assert (error.exit_code, words in str(error)) == (1, True)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("running", "to mlp, 500 of 500 steps"), ("adopted", "to mlp, adopted: exam 97.0% before, 95.0% after")],
)
def test_the_status_on_one_screen_says_how_it_goes(outcome: str, words: str) -> None:
    assert status_view.transplant(an_outcome(outcome)["transplant"]) == words


def test_the_command_and_a_daemon_understand_each_other(tmp_path: Path) -> None:
    source = MemorySource(STREAM, finite=False)
    config = a_config(tmp_path, sleep__every_examples=None, sleep__tolerance=0.0)
    with running(build(config, source=source)) as daemon:
        wait_until(lambda: source.committed == {"index": len(STREAM)}, "all was learned")
        host, port = daemon.serving.address
        refused = said("--to", "mlp", "--steps", "1", "--wait", "-a", f"http://{host}:{port}")
        assert "the exam refused mlp" in str(refused.exception)
        adopted = said("--to", "mlp", "--steps", "200", "--wait", "-a", f"http://{host}:{port}")
        assert (adopted.exit_code, network(daemon)) == (0, "mlp"), adopted.exception
