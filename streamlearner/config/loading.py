"""The configuration: loaded, checked, shown. Only `app` and the commands read it.

Precedence: flags > `STREAMLEARNER_*` environment (`__` nests) > YAML > defaults. Our own loader, as it has
to say where each value was found, and pydantic-settings passes over misspelt names of the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from streamlearner.config import problems
from streamlearner.config.cluster_settings import ClusterSection
from streamlearner.config.entries import (
    FoundSetting,
    environment_entries,
    file_entries,
    flag_entries,
    parse_scalar,
)
from streamlearner.config.export_settings import ExportSection
from streamlearner.config.eye_settings import EyeSection
from streamlearner.config.learning_settings import (
    AssociationSection,
    DaemonSection,
    EvaluationSection,
    ExamSection,
    MemorySection,
    MethodSection,
    NetworkSection,
    SleepSection,
)
from streamlearner.config.message_settings import FieldsSection, SchemaRegistrySection
from streamlearner.config.own_parts import with_own_parts
from streamlearner.config.part_names import choosers
from streamlearner.config.renamed import current, under_old_keys
from streamlearner.config.serving_settings import ServingSection
from streamlearner.config.settings import (
    CheckpointSection,
    CodecSection,
    DeadLettersSection,
    HistorySection,
    LabelsSection,
    LimitsSection,
    SourceSection,
)
from streamlearner.errors import ConfigError
from streamlearner.registry.section import Folder, Section, Workers

SEE = "`streamlearner config schema` describes every setting"


class Config(Section):
    """The whole configuration."""

    state_dir: Folder = Path("state")
    """checkpoints, model versions, the local log and dead letters; one daemon at a time"""
    seed: int = Field(default=0, ge=0)
    """of every random generator"""
    device: str = Field(default="cpu", min_length=1)
    """cpu, or a torch device such as cuda"""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto measures both at each start and takes the faster"""
    threads: Workers | None = Field(default=None, examples=[2])
    """threads of one tensor operation; null: the cores that this process may use (affinity, and the quota of
    its container), less one for serving"""
    source: SourceSection = Field(default_factory=SourceSection)
    codec: CodecSection = Field(default_factory=CodecSection)
    schema_registry: SchemaRegistrySection = Field(default_factory=SchemaRegistrySection)
    limits: LimitsSection = Field(default_factory=LimitsSection)
    daemon: DaemonSection = Field(default_factory=DaemonSection)
    eye: EyeSection = Field(default_factory=EyeSection)
    memory: MemorySection = Field(default_factory=MemorySection)
    association: AssociationSection = Field(default_factory=AssociationSection)
    network: NetworkSection = Field(default_factory=NetworkSection)
    method: MethodSection = Field(default_factory=MethodSection)
    sleep: SleepSection = Field(default_factory=SleepSection)
    exam: ExamSection = Field(default_factory=ExamSection)
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection)
    checkpoint: CheckpointSection = Field(default_factory=CheckpointSection)
    export: ExportSection = Field(default_factory=ExportSection)
    serving: ServingSection = Field(default_factory=ServingSection)
    labels: LabelsSection = Field(default_factory=LabelsSection)
    history: HistorySection = Field(default_factory=HistorySection)
    dead_letters: DeadLettersSection = Field(default_factory=DeadLettersSection)
    cluster: ClusterSection = Field(default_factory=ClusterSection)

    def digest(self) -> str:
        """SHA-256 of what shapes learning: two runs with equal digests on equal streams learn the same."""
        counted = under_old_keys(self.learning())
        for key, _ in choosers(type(self)):
            for idle in set(getattr(self, key).idle_sections()) - _SECTIONS_OF_0_1:
                counted.get(key, {}).pop(idle, None)
        for (*sections, name), default in _ADDED.items():
            held: dict[str, Any] = reduce(lambda within, key: within.get(key, {}), sections, counted)
            if name in held and held[name] == default:
                del held[name]
        counted = {key: value for key, value in counted.items() if value != {}}  # `limits` was no section
        return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()

    def learning(self) -> dict[str, Any]:
        """The settings that shape learning, as JSON. No secret is among them."""
        return self.model_dump(mode="json", exclude=_NOT_LEARNING)

    def shown(self) -> dict[str, Any]:
        """JSON for a person: secrets masked."""
        masked: dict[str, Any] = problems.masked(self.model_dump(mode="json"))
        return masked


_NOT_LEARNING = {
    "state_dir", "source", "schema_registry", "serving", "labels", "history", "dead_letters", "checkpoint",
    "export", "cluster",
}  # fmt: skip
_SECTIONS_OF_0_1 = {
    "active_long_term", "generative_dual_memory", "masked_generator", "meta_learned_update",
}  # fmt: skip
"""They count in every digest; those of other parts only where the part is chosen, so that one that is added
changes no former digest."""
_ADDED = {
    ("method", "statistics"): True, ("sleep", "first_examples"): 1_000, ("sleep", "on_drift"): False,
    ("sleep", "significance"): 0.05, ("limits", "max_classes"): 10_000, ("limits", "max_tasks"): 10_000,
    ("codec", "missing_values"): [], ("codec", "orientation"): "apply", ("codec", "envelope"): "none",
    ("exam", "image_bytes"): None,
    ("codec", "fields"): FieldsSection().model_dump(mode="json"),
    ("daemon", "on_learning_failure"): "dead_letter",
    ("eye", "name"): "none", ("eye", "weights"): None, ("eye", "input_size"): None, ("eye", "mean"): None,
    ("eye", "deviation"): None, ("eye", "layer"): None, ("eye", "ordered"): None,
    ("eye", "mirrored"): None, ("eye", "places"): None,
    ("daemon", "smallest_batch"): 10, ("daemon", "largest_batch"): 640,
    ("daemon", "when_behind"): "wait",
    ("memory", "id_bits"): 16, ("codec", "erased_ids"): 100_000,
    ("method", "late_freeze", "patience"): None,
}  # fmt: skip
"""Settings since 0.1.0 with their defaults, which change no former digest either."""


def load(
    *, path: Path | None, settings: Mapping[str, Any] | None = None, environ: Mapping[str, str] = os.environ
) -> Config:
    """The YAML at `path` (None: defaults), then the environment, then `settings` ({"a.b": value} of flags).

    Raises ConfigError with every problem found: the place, what was found, what is expected, the nearest key.
    """
    entries = [] if path is None else file_entries(path)
    entries += environment_entries(environ)
    entries += flag_entries(settings or {})
    return validated(entries)


def validated(entries: Iterable[FoundSetting]) -> Config:
    """What these settings make, a later one before an earlier; defaults where there is none. Raises
    ConfigError."""
    entries = list(map(current, entries))
    root, found = with_own_parts(Config, entries)
    tree, last, wrong = _tree(root, entries)
    found += wrong
    try:
        config = root.model_validate(tree)
    except ValidationError as error:
        found += [problems.explain(root, each, last) for each in error.errors(include_url=False)]
    if not found:
        return config
    found = list(dict.fromkeys(found))
    if len(found) == 1:
        raise ConfigError(f"{found[0]} ({SEE})")
    listed = "".join(f"\n  {problem}" for problem in found)
    raise ConfigError(f"{len(found)} problems in the configuration:{listed}\n{SEE}")


def parse_settings(pairs: Iterable[str]) -> dict[str, str]:
    """`["a.b=1"]` of the command line to {"a.b": "1"}; `load` reads the text as the setting's type."""
    settings: dict[str, str] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator:
            name = re.split(r"[^\w.]", pair)[0]  # the rest may be a secret
            expected = "expected key=value, for example --set memory.budget_bits='64 KiB'"
            raise ConfigError(f"--set {name}: has no `=`; {expected}")
        settings[key.strip()] = text
    return settings


def _tree(
    root: type[Config], entries: Iterable[FoundSetting]
) -> tuple[dict[str, Any], dict[tuple[str, ...], FoundSetting], list[str]]:
    """The nested settings, the entry that had the last word on each, and what is wrong with any."""
    tree: dict[str, Any] = {}
    last: dict[tuple[str, ...], FoundSetting] = {}
    found: list[str] = []
    for entry in entries:
        place = problems.setting(root, entry.keys)
        if place is None:
            found.append(problems.unknown(root, entry))
        elif isinstance(place, FieldInfo):
            if entry.is_text and entry.value == "":
                found.append(problems.empty(entry))
                continue
            _put(tree, entry.keys, _value(entry, place))
            last.pop(entry.keys, None)  # so that the order is that of who has the last word
            last[entry.keys] = entry
        elif entry.value not in (None, {}):  # a section whose settings are all commented out is None
            found.append(problems.misplaced(entry))
    return tree, last, found


def _value(entry: FoundSetting, field: FieldInfo) -> Any:
    """The environment and flags hold only text: read as YAML, but where the setting is a text itself."""
    keeps_text = problems.takes_text(field) or problems.is_secret(entry.key)
    may_be_file = problems.is_secret(entry.key) or problems.takes_map(field)
    if not entry.is_text:
        return entry.value
    read = parse_scalar(entry.value)
    if keeps_text and entry.value != "null" and not (may_be_file and _is_file(entry, read)):
        return entry.value
    return read


def _is_file(entry: FoundSetting, read: Any) -> bool:
    """Whether it is the form `{file: path}`; a secret that only begins like it is one."""
    is_map = entry.value.lstrip().startswith("{") and isinstance(read, dict) and set(read) == {"file"}
    return is_map and isinstance(read["file"], str)


def _put(tree: dict[str, Any], keys: tuple[str, ...], value: Any) -> None:
    for key in keys[:-1]:
        inner = tree.get(key)
        tree[key] = inner = inner if isinstance(inner, dict) else {}
        tree = inner
    former = tree.get(keys[-1])
    tree[keys[-1]] = former | value if isinstance(former, dict) and isinstance(value, dict) else value
