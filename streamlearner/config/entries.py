"""Entries: single settings as found in a file, the environment or on the command line, with their place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from streamlearner.errors import ConfigError

ENV_PREFIX = "STREAMLEARNER_"
NOT_SETTINGS = {
    ENV_PREFIX + name
    for name in (
        *("CONFIG", "ADDRESS", "TOKEN", "TOKEN_FILE", "CA", "CERTIFICATE", "KEY"),  # of the command line
        *("SHARED", "REQUIRE_ALL"),  # of the tests
    )
}
_OF_ORCHESTRATORS = re.compile(r"STREAMLEARNER_(SERVICE_(HOST|PORT)|PORT_\d+_(TCP|UDP|SCTP))(_\w+)?")
"""What Kubernetes puts into every container's environment where a Service is called `streamlearner`."""
MOST_LEVELS = 8
"""Sections hold sections at most this deep; a YAML alias that holds itself has no end."""


@dataclass(frozen=True, slots=True)
class FoundSetting:
    """One setting as found. `is_text`: it comes from where all is text, and its type is still to be read."""

    keys: tuple[str, ...]
    value: Any
    where: str
    is_text: bool = False

    @property
    def key(self) -> str:
        return ".".join(self.keys)


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, where PyYAML follows 1.1: `no` is a text and not false, 012 a text and not ten,
    12:30 a text and not 750; and 1e-3 is a number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to begin without resolvers


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:[0-9][0-9_]*\.[0-9]*(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)",
        list("-+0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def parse_scalar(text: str) -> Any:
    """A text of the environment or the command line, read as YAML would read it; text where it is no YAML."""
    try:
        return yaml.load(text, CoreLoader)  # a SafeLoader
    except yaml.YAMLError:
        return text


def file_entries(path: Path) -> list[FoundSetting]:
    """The settings of a YAML file, each with its line. Raises ConfigError, which quotes nothing secret."""
    loader = None
    try:
        loader = CoreLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        return [] if node is None else list(_walk(loader, node, (), path))
    except OSError as error:
        mend = "check the path given to --config"
        raise ConfigError(f"configuration {path}: cannot be read ({error.strerror}); {mend}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"configuration {path}: is not UTF-8 text (byte {error.start})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(f"{place}: is no valid YAML: {error.problem or error.context}") from None
    except yaml.YAMLError:
        raise ConfigError(f"configuration {path}: holds characters that YAML does not allow") from None
    finally:
        if loader is not None:
            loader.dispose()


def _walk(loader: CoreLoader, node: yaml.Node, keys: tuple[str, ...], path: Path) -> Iterator[FoundSetting]:
    where = f"{path}:{node.start_mark.line + 1}"
    if not isinstance(node, yaml.MappingNode):
        if not keys:
            raise ConfigError(
                f"{where}: expected sections with settings, such as `memory:`, found {_kind(node)}"
            )
        value = loader.construct_object(node, deep=True)
        yield FoundSetting(keys, value, where)
        return
    if len(keys) > MOST_LEVELS:
        raise ConfigError(f"{where}: {'.'.join(keys)}: sections are at most {MOST_LEVELS} deep")
    _refuse_duplicates(node, keys, path)
    loader.flatten_mapping(node)
    if not node.value and keys:
        yield FoundSetting(keys, {}, where)
    for key, value in node.value:
        yield from _walk(loader, value, (*keys, str(key.value)), path)


def _kind(node: yaml.Node) -> str:
    return {yaml.ScalarNode: "a value", yaml.SequenceNode: "a list"}.get(type(node), "a map")


def _refuse_duplicates(node: yaml.MappingNode, keys: tuple[str, ...], path: Path) -> None:
    """PyYAML would silently keep the last one."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{path}:{line}: a key is {_kind(key)}; expected the name of a setting")
        if key.value in lines:
            name = ".".join((*keys, key.value))
            raise ConfigError(
                f"{path}:{line}: {name} is set twice, first in line {lines[key.value]}; remove one"
            )
        lines[key.value] = line


def environment_entries(environ: Mapping[str, str]) -> list[FoundSetting]:
    """`STREAMLEARNER_SLEEP__EVERY_S=60` and the like, in the order of their names."""
    entries = []
    for name, text in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX) or name in NOT_SETTINGS or _OF_ORCHESTRATORS.fullmatch(name):
            continue
        if name == "STREAMLEARNER_PORT" and "://" in text:  # Kubernetes again
            continue
        keys = tuple(name[len(ENV_PREFIX) :].lower().split("__"))
        entries.append(FoundSetting(keys, text, f"environment {name}", is_text=True))
    return entries


def flag_entries(settings: Mapping[str, Any]) -> list[FoundSetting]:
    """`{"sleep.every_s": "60"}` of --set; a value that is no text is taken as it is."""
    return [
        FoundSetting(tuple(key.split(".")), value, f"--set {key}", is_text=isinstance(value, str))
        for key, value in settings.items()
    ]
