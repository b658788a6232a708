"""`streamlearner bench`: listed, run, resumed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.testing import CliRunner

from streamlearner.bench.command import bench
from streamlearner.errors import StreamlearnerError
from tests.support.tiny_bench import TinyBench

COLUMNS = [
    "arm", "budget_bits", "stored_bits", "parameter_bits", "seed", "metric", "value", "paper", "seconds",
    "examples_per_s",
]  # fmt: skip
RUN = ("run", "mnist-split", "--quick", "--budget", "20000")
ARMS = ("ours", "rehearsal", "finetune")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def called(*words: str, tiny: TinyBench | None = None) -> str:
    """What a command prints. Raises what it raises."""
    done = CliRunner().invoke(bench, words, obj=tiny or TinyBench(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def stopped(*words: str, tiny: TinyBench) -> bool:
    """Whether the command was interrupted; `tiny` says when."""
    return CliRunner().invoke(bench, words, obj=tiny).exit_code != 0


def refused(*words: str) -> str:
    """What a wrong use prints, as one line without the frame around it."""
    done = CliRunner().invoke(bench, words, obj=TinyBench())
    assert done.exit_code == 2
    return " ".join(done.output.replace("│", " ").split())


def read(path: str) -> Any:
    return json.loads(Path(path).read_text())


class Done(NamedTuple):
    """A quick run of one seed under one budget, finished: what it printed and its file."""

    said: str
    path: Path


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("results")
    return Done(called(*RUN, "--data", "nowhere", "--out", str(folder)), folder / "mnist-split.json")


@pytest.fixture
def document(done: Done) -> Any:
    return json.loads(done.path.read_text())


def test_results_have_the_agreed_format(document: Any) -> None:
    assert list(document) == ["experiment", "protocol", "quick", "versions", "machine", "rows", "curves"]
    assert (document["experiment"], document["quick"]) == ("mnist-split", True)
    assert {"streamlearner", "torch", "python"} <= document["versions"].keys()
    assert {"processor", "cores"} <= document["machine"].keys()
    assert all(list(row) == COLUMNS for row in document["rows"])


def test_each_arm_has_its_figures_under_the_budget_asked_for(document: Any) -> None:
    trials = {(row["arm"], row["budget_bits"], row["seed"]) for row in document["rows"]}
    assert trials == {("ours", 20_000, 0), ("rehearsal", 20_000, 0), ("finetune", 0, 0)}
    for arm in ARMS:
        metrics = {row["metric"] for row in document["rows"] if row["arm"] == arm}
        assert {"accuracy", "prequential_accuracy"} <= metrics
    assert all(0 <= row["value"] <= 1 for row in document["rows"])


def test_stored_bits_are_what_is_held_and_inside_the_budget(document: Any) -> None:
    stored = {row["arm"]: row["stored_bits"] for row in document["rows"]}
    assert stored["finetune"] == 0
    three_images = 3 * (28 * 28 * 8 + 4)  # as many as fit, each with a label of ten
    assert stored["rehearsal"] == -(-three_images // 8) * 8
    assert 0 < stored["ours"] <= 20_000
    assert all(row["parameter_bits"] > 0 for row in document["rows"])


def test_an_amount_may_have_a_unit_and_reaches_the_daemon() -> None:
    tiny = TinyBench(daemons=1)
    assert stopped("run", "mnist-split", "--budget", "2 KiB", "--budget", "20000", tiny=tiny)
    assert tiny.settings[0]["memory.budget_bits"] == 16_384
    document = read("results/mnist-split.json")
    assert list(document) == [
        "experiment",
        "protocol",
        "versions",
        "machine",
        "rows",
        "curves",
    ]  # no mark of a quick one
    assert {row["budget_bits"] for row in document["rows"]} == {16_384}


def test_only_the_arms_asked_for_are_run_and_the_rest_can_follow() -> None:
    said = called(*RUN, "--arm", "finetune", "--out", "there")
    assert "1/1 finetune" in said
    assert "1 of 3 trials were done" in called(*RUN, "--out", "there")
    assert "no arm 'fintune'; the nearest is 'finetune'" in refused(*RUN, "--arm", "fintune")


def test_a_quarter_stands_beside_the_whole_in_one_file(document: Any) -> None:
    called(*RUN, "--arm", "finetune", "--out", "there")
    said = called(*RUN, "--arm", "finetune", "--out", "there", "--portion", "quarter")
    assert "1/1 finetune, 0 bits, seed 0, 15,000 examples: accuracy_on_quarter" in said
    rows = read("there/mnist-split.json")["rows"]
    assert {row.get("examples") for row in rows} == {None, 15_000}
    assert "has no quarter" in refused("run", "throughput", "--portion", "quarter")


def test_held_out_figures_get_a_folder_and_a_name_of_their_own() -> None:
    run = ("run", "mnist-split", "--arm", "finetune", "--seeds", "1", "--held-out")
    called(*run)
    called(*run, "--out", "there")
    found = read("results/held-out/mnist-split-held-out.json")
    assert (found["experiment"], found["held_out"]) == ("mnist-split", True)
    assert [path.name for path in Path("there").iterdir()] == ["mnist-split-held-out.json"]
    assert "holds no images out" in refused("run", "throughput", "--held-out")


def test_an_interrupted_run_goes_on_with_the_missing_trials_only() -> None:
    assert stopped(*RUN, "--seeds", "2", "--out", "there", tiny=TinyBench(daemons=2))
    before = read("there/mnist-split.json")["rows"]
    assert {(row["arm"], row["seed"]) for row in before} == {("ours", 0), ("ours", 1)}

    tiny = TinyBench()
    said = called(*RUN, "--seeds", "2", "--out", "there", tiny=tiny)
    assert "2 of 6 trials were done by an earlier run" in said
    assert len(tiny.settings) == 4
    after = read("there/mnist-split.json")["rows"]
    assert after[: len(before)] == before
    assert len({(row["arm"], row["seed"], row["metric"]) for row in after}) == len(after)
    assert {(row["arm"], row["seed"]) for row in after} == {(arm, seed) for arm in ARMS for seed in (0, 1)}


def test_a_finished_run_does_nothing_more(done: Done) -> None:
    before, tiny = done.path.read_bytes(), TinyBench(daemons=0)
    assert "3 of 3 trials" in called(*RUN, "--out", str(done.path.parent), tiny=tiny)
    assert done.path.read_bytes() == before


def test_each_trial_is_told_in_a_plain_line_as_it_ends(done: Done) -> None:
    first, *lines = done.said.splitlines()
    assert first == f"data sets in nowhere; results in {done.path}"
    assert [line.split(":")[0] for line in lines[:3]] == [
        "1/3 ours, 20,000 bits, seed 0",
        "2/3 rehearsal, 20,000 bits, seed 0",
        "3/3 finetune, 0 bits, seed 0",
    ]
    assert all("accuracy 0." in line and "examples/s" in line for line in lines[:3])


def test_quick_figures_are_never_put_beside_full_ones(done: Done) -> None:
    before = done.path.read_bytes()
    with pytest.raises(StreamlearnerError, match="those of a quick run, and these would be full ones"):
        called("run", "mnist-split", "--budget", "20000", "--out", str(done.path.parent))
    assert done.path.read_bytes() == before


def test_an_unknown_experiment_is_told_the_nearest() -> None:
    assert "the nearest is 'mnist-split'" in refused("run", "mnist-spilt")


@pytest.mark.parametrize(
    ("budget", "said"), [("64 KiBs", "such as 64 KiB"), ("0", "more than 0 bits"), ("1.5", "whole number")]
)
def test_a_budget_that_is_none_is_refused(budget: str, said: str) -> None:
    assert said in refused("run", "mnist-split", "--budget", budget)


def test_a_budget_that_an_experiment_cannot_take_is_refused() -> None:
    assert "its budgets are fixed (62,720, 1,254,400)" in refused("run", "throughput", "--budget", "1000")


def test_data_is_looked_for_beside_the_repository_then_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    tiny = TinyBench(daemons=0)
    stopped(*RUN, tiny=tiny)
    (tmp_path / "shared" / "data").mkdir(parents=True)
    stopped(*RUN, tiny=tiny)
    stopped(*RUN, "--data", "elsewhere", "--download", tiny=tiny)
    assert tiny.asked == [(Path("data"), False), (Path("../shared/data"), False), (Path("elsewhere"), True)]


def test_the_command_line_starts_without_torch() -> None:
    script = (
        "import sys, streamlearner.commands.main; print(sorted({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_the_command_line_gives_the_bench_its_fixture() -> None:
    from streamlearner.commands import main as cli

    group = typer.main.get_command(cli.app)
    context = group.make_context("streamlearner", ["bench", "list"])
    mounted = group.get_command(context, "bench")  # type: ignore[attr-defined]
    inner = mounted.make_context("bench", ["list"], parent=context)
    made = inner.obj(data=Path("nowhere"), download=False)
    assert callable(made.build_daemon)
