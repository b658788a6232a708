"""The configuration: where a setting may come from, and which one counts."""

from __future__ import annotations

import inspect
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from streamlearner.config.loading import Config, load
from streamlearner.config.part_names import PartSection, choosers
from streamlearner.config.problems import settings
from streamlearner.registry.section import UNITS, Section, parse_bits

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_FILE = ROOT / "config.yaml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


# the file at the top of the repository


def test_the_commented_file_is_exactly_the_defaults() -> None:
    assert load(path=DEFAULT_FILE, environ={}) == load(path=None, environ={})


def test_the_commented_file_holds_every_setting_and_says_something_about_each() -> None:
    written = yaml.safe_load(DEFAULT_FILE.read_text())

    def keys(tree: dict[str, Any], prefix: str = "") -> set[str]:
        return {
            key
            for name, value in tree.items()
            for key in (
                keys(value, f"{prefix}{name}.") if isinstance(value, dict) and value else {prefix + name}
            )
        }

    assert keys(written) == {key for key, _ in settings(Config)}
    lines = DEFAULT_FILE.read_text().splitlines()
    uncommented = [
        line
        for before, line in pairwise(lines)
        if line.strip() and not line.strip().startswith("#") and "#" not in line and "#" not in before
    ]
    assert uncommented == []


@pytest.mark.parametrize(("section", "kind"), choosers(Config))
def test_the_comment_about_a_name_of_a_part_is_what_the_registry_says(
    section: str, kind: type[PartSection]
) -> None:
    lines = DEFAULT_FILE.read_text().splitlines()
    begin = lines.index(f"{section}:")
    place = next(n for n in range(begin, len(lines)) if lines[n].startswith(f"  {kind.chooser}: "))
    first = next(n for n in range(place, begin, -1) if not lines[n - 1].startswith("  # "))
    comment = " ".join(line.strip().removeprefix("# ") for line in lines[first:place])
    assert comment == kind.descriptions()[kind.chooser]
    assert [part.name for part in kind.registry.shipped if f"{part.name}: " not in comment] == []


def test_every_setting_is_described_with_a_default() -> None:
    found, described = list(settings(Config)), descriptions(Config)
    assert len(found) > 80
    assert [key for key, field in found if not described.get(key) or field.is_required()] == []


def descriptions(root: type[Section], prefix: str = "") -> dict[str, str]:
    """By the whole key."""
    found = {prefix + name: text for name, text in root.descriptions().items()}
    for name, field in root.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found |= descriptions(field.annotation, f"{prefix}{name}.")
    return found


def test_a_description_is_the_text_under_a_setting_unless_the_setting_has_another() -> None:
    class Base(Section):
        """A section."""

        plain: int = 1
        """One line."""
        silent: int = 2
        chosen: int = Field(3, description="in the field")
        """under it"""

    class Derived(Base):
        more: float = 1.0
        """Of two
        lines."""

        class Inner(Section):
            """Not of the outer class."""

            silent: int = 1
            """inner"""

    texts = {"plain": "One line.", "chosen": "in the field", "more": "Of two\nlines."}
    assert Derived.descriptions() == texts
    properties = Derived.model_json_schema()["properties"]
    assert {name: each.get("description") for name, each in properties.items()} == texts | {"silent": None}


def test_settings_without_a_source_have_no_text() -> None:
    found: dict[str, Any] = {}
    exec('class Made(Section):\n    one: int = 1\n    """unread"""', {"Section": Section}, found)
    assert found["Made"].descriptions() == {}
    assert "description" not in found["Made"].model_json_schema()["properties"]["one"]


def test_a_setting_in_a_unit_says_which() -> None:
    wanted = {"_s": "second", "_bits": "bits", "_bytes": "bytes", "_pixels": "pixel"}
    silent = {
        key
        for key, text in descriptions(Config).items()
        for ending, unit in wanted.items()
        if key.endswith(ending) and unit not in f"{text} {key.rsplit('_', 1)[-1]}"
    }
    assert silent <= {"checkpoint.every_s"}  # says seconds in its first word
    assert "seconds" in descriptions(Config)["checkpoint.every_s"]


def test_every_setting_is_read_somewhere() -> None:
    readers = [*(ROOT / "streamlearner/app").rglob("*.py"), ROOT / "streamlearner/commands/producing.py"]
    parts = [part.load() for _, kind in choosers(Config) for part in kind.registry.shipped if part.settings]
    code = "\n".join(map(inspect.getsource, parts))
    readers += [
        *(ROOT / "streamlearner/registry").glob("*.py"),
        *(ROOT / "streamlearner/generative").glob("*.py"),
    ]
    text = "\n".join([code, *(path.read_text() for path in readers)])

    def is_read(name: str) -> bool:
        """As an attribute, or as an argument of the part that has the section."""
        is_argument = re.search(rf"^ +{name}: ", code, re.MULTILINE)
        return bool(is_argument or re.search(rf"\.{name}\b", text))

    unread = [key for key, _ in settings(Config) if not is_read(key.split(".")[-1])]
    assert unread == []


# precedence


def test_flags_come_before_the_environment_before_the_file_before_defaults(file: Path) -> None:
    file.write_text("sleep: {steps: 1, batch_size: 1, min_examples: 1}\nseed: 1\n")
    environ = {"STREAMLEARNER_SLEEP__STEPS": "2", "STREAMLEARNER_SLEEP__BATCH_SIZE": "2"}
    found = load(path=file, environ=environ, settings={"sleep.steps": "3"})
    assert (found.sleep.steps, found.sleep.batch_size, found.sleep.min_examples) == (3, 2, 1)
    assert (found.seed, found.sleep.tolerance) == (1, 0.01)


def test_a_later_source_adds_to_the_options_of_an_earlier_one(file: Path) -> None:
    file.write_text("source: {kafka: {client: {request_timeout_ms: 5000, security_protocol: SSL}}}")
    environ = {"STREAMLEARNER_SOURCE__KAFKA__CLIENT__SECURITY_PROTOCOL": "PLAINTEXT"}
    client = load(path=file, environ=environ).source.kafka.client
    assert client == {"request_timeout_ms": 5000, "security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize(("text", "value"), [("20", 20), ("auto", "auto")])
def test_a_number_or_a_word_may_be_given_by_a_flag_and_by_the_environment(text: str, value: object) -> None:
    by_flag = load(path=None, settings={"daemon.batch_size": text}, environ={})
    by_environment = load(path=None, environ={"STREAMLEARNER_DAEMON__BATCH_SIZE": text})
    assert by_flag.daemon.batch_size == by_environment.daemon.batch_size == value


def test_a_text_from_the_environment_is_read_as_the_type_of_its_setting() -> None:
    environ = {
        "STREAMLEARNER_SOURCE__KAFKA__TOPIC": "2024",
        "STREAMLEARNER_SEED": "7",
        "STREAMLEARNER_SLEEP__EVERY_EXAMPLES": "null",
        "STREAMLEARNER_SLEEP__ON_MEMORY_FULL": "true",
        "STREAMLEARNER_METHOD__LEARNING_RATE": "1e-3",
        "STREAMLEARNER_STATE_DIR": "123",
    }
    found = load(path=None, environ=environ)
    assert (found.source.kafka.topic, found.seed, found.sleep.every_examples) == ("2024", 7, None)
    assert (found.sleep.on_memory_full, found.method.learning_rate) == (True, 0.001)
    assert found.state_dir == Path("123")


def test_names_of_the_command_line_and_of_orchestrators_are_no_settings() -> None:
    environ = {
        "STREAMLEARNER_ADDRESS": "x",
        "STREAMLEARNER_TOKEN": "x",
        "STREAMLEARNER_TOKEN_FILE": "x",
        "STREAMLEARNER_CONFIG": "x",
        "STREAMLEARNER_SERVICE_HOST": "10.0.0.1",
        "STREAMLEARNER_SERVICE_PORT_HTTP": "8080",
        "STREAMLEARNER_PORT": "tcp://10.0.0.1:8080",
        "STREAMLEARNER_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert load(path=None, environ=environ) == load(path=None, environ={})


def test_an_empty_file_and_a_section_whose_settings_are_commented_out_change_nothing(file: Path) -> None:
    file.write_text("sleep:\n  # steps: 3\nsource: {}\n")
    assert load(path=file, environ={}) == load(path=None, environ={})


# amounts, schema, digest


@given(st.integers(0, 10**9), st.sampled_from(sorted(UNITS)))
def test_an_amount_in_any_unit_is_that_many_bits(count: int, unit: str) -> None:
    assert parse_bits(f"{count} {unit}") == count * UNITS[unit] == parse_bits(f"{count}{unit}")


def test_bytes_and_bits_are_not_confused() -> None:
    assert [parse_bits(text) for text in ("64 KiB", "64 kB", "64 kbit", "1.5 MB", "62_720")] == [
        524_288, 512_000, 64_000, 12_000_000, 62_720,
    ]  # fmt: skip


def test_the_schema_describes_every_setting() -> None:
    schema = Config.model_json_schema()
    described = [
        setting
        for section in [schema, *schema["$defs"].values()]
        for setting in section["properties"].values()
    ]
    assert [each for each in described if not ("description" in each or "$ref" in each)] == []
    source_type = schema["$defs"]["SourceSection"]["properties"]["type"]
    named, of_ones_own = source_type["anyOf"]
    assert (source_type["default"], named["enum"]) == ("push", ["push", "kafka", "files", "memory"])
    assert re.fullmatch(of_ones_own["pattern"], "my_package.module:Name")


def test_the_digest_changes_with_what_shapes_learning_and_with_nothing_else() -> None:
    plain = load(path=None, environ={}).digest()
    moved = {"state_dir": "elsewhere", "serving.port": 1, "source.kafka.topic": "other"}
    assert load(path=None, environ={}, settings=moved).digest() == plain
    assert load(path=None, environ={}, settings={"seed": 1}).digest() != plain


def test_the_configuration_does_not_change_once_loaded() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(path=None, environ={}).sleep.steps = 3  # type: ignore[misc]
