"""Parts of someone else's, installed with pip, used by name through the configuration, and held to the same
promises as ours: an unchanged streamlearner learns with them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import plug_in_package
from tests.support.daemon_runs import store

pytestmark = pytest.mark.slow
LINES = 60
TARGET = "my_network:TwoLayers"


@dataclass
class Elsewhere:
    """A folder outside the repository: `site` has what is installed, `lines` readings for the source."""

    folder: Path
    site: Path
    lines: Path

    def run(self, *settings: str, name: str) -> Any:
        """A daemon to the end of its stream; the checkpoint that it leaves."""
        usual = [f"state_dir={name}", "daemon.at_end=exit", "serving.port=0", "threads=1", "precision=fp32"]
        words = [word for setting in (*usual, *settings) for word in ("--set", setting)]
        done = plug_in_package.called("streamlearner", "run", *words, site=self.site, folder=self.folder)
        assert done.returncode == 0, done.stderr
        found = store(self.folder / name).latest()
        assert found is not None
        return found

    def called(self, *words: str) -> str:
        done = plug_in_package.called(*words, site=self.site, folder=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    folder = tmp_path_factory.mktemp("elsewhere")
    plug_in_package.write(folder / "package")
    plug_in_package.install(folder / "package", folder / "site")
    lines = folder / "lines.csv"
    lines.write_text(
        "".join(f"{i % 2}.{i % 7},{2 - i % 2}.{i % 5},{['calm', 'storm'][i % 2]}\n" for i in range(LINES))
    )
    return Elsewhere(folder, folder / "site", lines)


def test_a_source_a_method_and_dead_letters_are_used_by_name(elsewhere: Elsewhere) -> None:
    found = elsewhere.run(
        "source.type=readings",
        f"source.readings.path={elsewhere.lines}",
        "method.name=smoothed",
        "method.smoothed.smoothing=0.2",
        "dead_letters.type=counted",
        "dead_letters.counted.file=refused.txt",
        name="readings",
    )
    assert (found.manifest.method, found.manifest.position["index"]) == ("smoothed", LINES)
    assert (elsewhere.folder / "readings" / "refused.txt").read_text() == "0"


def test_an_association_and_a_sampling_are_used_by_name_and_a_network_by_its_target(
    elsewhere: Elsewhere,
) -> None:
    found = elsewhere.run(
        "source.type=files",
        "source.files.format=digits",
        f"network.name={TARGET}",
        "association.name=signs",
        "association.code_bits=32",
        "memory.sampling=newest",
        "memory.budget_bits=2 KiB",
        name="digits",
    )
    assert found.facts["learner"]["network"] == TARGET
    assert any(name.startswith("association.directions") for name in found.tensors["method"])


def test_an_experiment_is_listed_and_run_by_name(elsewhere: Elsewhere) -> None:
    assert "\ncoin\n" in elsewhere.called("streamlearner", "bench", "list")
    elsewhere.called("streamlearner", "bench", "run", "coin", "--seeds", "2", "--out", "results")
    rows = json.loads((elsewhere.folder / "results" / "coin.json").read_text())["rows"]
    assert [(row["arm"], row["metric"], row["value"]) for row in rows] == [
        ("coin", "heads", 0),
        ("coin", "heads", 1),
    ]


def test_the_configuration_knows_their_settings(elsewhere: Elsewhere) -> None:
    shown = elsewhere.called("streamlearner", "config", "show", "--set", "method.name=smoothed")
    assert "  smoothed:\n    smoothing: 0.1\n" in shown
    wrong = plug_in_package.called(
        "streamlearner", "config", "check", "--set", "method.name=smoothd",
        site=elsewhere.site, folder=elsewhere.folder,
    )  # fmt: skip
    assert wrong.returncode == 78
    assert "did you mean smoothed?" in wrong.stderr


def test_each_passes_the_suite_of_its_kind_by_one_line_of_pytest(elsewhere: Elsewhere) -> None:
    files = plug_in_package.write_tests(elsewhere.folder)
    said = elsewhere.called("pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={elsewhere.folder}", *files)
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None and int(passed[1]) > 80, said
