"""A registry of parts: shipped ones, those that distributions bring, and a user's own by target."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streamlearner.errors import ConfigError
from streamlearner.registry.part import BrokenPart, Registry, UnknownPart, section_key
from tests.support.plug_ins import REGISTRIES, SitePackages

GROUP = "streamlearner.sorts"

MINE = """
    from streamlearner.registry.section import Section
    from streamlearner.stream import Source

    class Mine(Source):
        class Settings(Section):
            size: int = 3

    class Alien:
        pass

    class Odd(Source):
        Settings = 5
"""


def a_registry() -> Registry:
    sorts = Registry("sort", plural="sorts", contract="streamlearner.stream:Source")
    sorts.register("memory", "streamlearner.connectors.memory:MemorySource", "for tests")
    sorts.register("push", "streamlearner.connectors.push:PushSource", "over HTTP")
    return sorts


# shipped ones


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda registry: registry.kind)
def test_the_code_of_every_shipped_part_is_there_and_extends_the_contract(registry: Registry) -> None:
    from streamlearner.registry.part import resolve

    base = resolve(registry.contract or "")
    for part in registry.shipped:
        code = part.load()
        assert not isinstance(code, type) or issubclass(code, base) or hasattr(code, "build"), part
        assert part.summary, f"{part} says nothing about itself"


def test_names_settings_and_summaries_need_no_torch_and_no_broker_client() -> None:
    heavy = {"torch", "torchvision", "kafka", "pyarrow", "sklearn"}
    code = (
        "import sys; from streamlearner.config.loading import load; load(path=None, environ={}).shown(); "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(UnknownPart) as caught:
        a_registry().find("pusch")
    assert str(caught.value) == (
        "there is no sort 'pusch'; the nearest is 'push', and these are known: memory, push"
    )


# plug-ins


def test_what_a_distribution_brings_is_found_by_name_without_importing_it(site: SitePackages) -> None:
    site.install("mine", entry_points={GROUP: {"mine": "my_sort:Mine", "broken": "my_ruin:X"}}, my_sort=MINE)
    sorts = a_registry()
    assert sorts.names() == ["memory", "push", "broken", "mine"]
    assert "my_sort" not in sys.modules
    part = sorts.find("mine")
    assert part.load().__name__ == "Mine"
    assert part.section() is part.load().Settings
    assert part.under == "mine"


def test_a_broken_plug_in_names_its_distribution_and_leaves_the_others_alone(site: SitePackages) -> None:
    site.install("ruin", entry_points={GROUP: {"ruin": "my_ruin:X"}}, my_ruin="1 / 0")
    site.install("mine", entry_points={GROUP: {"mine": "my_sort:Mine"}}, my_sort=MINE)
    sorts = a_registry()
    assert sorts.find("mine").load().__name__ == "Mine"
    assert sorts.find("push").load().__name__ == "PushSource"
    with pytest.raises(BrokenPart) as caught:
        sorts.find("ruin").load()
    assert str(caught.value) == (
        "sort ruin of the distribution ruin (my_ruin:X): the import of my_ruin ended with ZeroDivisionError: "
        "division by zero: mend the plug-in, or uninstall it: pip uninstall ruin"
    )


def test_two_that_bring_one_name_are_both_named_once_it_is_used(site: SitePackages) -> None:
    site.install("one", entry_points={GROUP: {"mine": "my_sort:Mine"}}, my_sort=MINE)
    site.install("two", entry_points={GROUP: {"mine": "other:Mine"}}, other=MINE)
    with pytest.raises(UnknownPart, match=r"two bring it, (one \(my_sort:Mine\)|two \(other:Mine\)) and "):
        a_registry().find("mine")


def test_a_shipped_name_stays_what_it_is(site: SitePackages, caplog: pytest.LogCaptureFixture) -> None:
    site.install("mine", entry_points={GROUP: {"push": "my_sort:Mine"}}, my_sort=MINE)
    sorts = a_registry()
    assert sorts.names() == ["memory", "push"]
    assert sorts.find("push").load().__name__ == "PushSource"
    assert "sort push of the distribution mine (my_sort:Mine) is not used" in caplog.text


# by target


def test_a_part_is_found_by_its_target(site: SitePackages) -> None:
    site.write(my_sort=MINE)
    part = a_registry().find("my_sort:Mine")
    assert part.load().__name__ == "Mine"
    section = part.section()
    assert section is not None
    assert (section().size, part.under) == (3, "mine")  # type: ignore[attr-defined]


WRONG = {
    "no_such.module:Mine": "sort no_such.module:Mine: there is no module no_such; install what has it",
    "my_sort:Mein": "sort my_sort:Mein: my_sort has no Mein; did you mean Mine?",
    "my_sort:Alien": "sort my_sort:Alien: expected a class that extends streamlearner.stream.Source",
}


@pytest.mark.parametrize("target", WRONG)
def test_a_target_that_cannot_be_used_says_why(target: str, site: SitePackages) -> None:
    site.write(my_sort=MINE)
    with pytest.raises(ConfigError) as caught:
        a_registry().find(target).load()
    assert str(caught.value).startswith(WRONG[target])


def test_settings_that_are_no_section_are_refused(site: SitePackages) -> None:
    site.write(my_sort=MINE)
    with pytest.raises(BrokenPart, match=r"its Settings extend no streamlearner\.registry\.section\.Section"):
        a_registry().find("my_sort:Odd").section()


KEYS = {"NearestMean": "nearest_mean", "mine": "mine", "my-own": "my_own", "MLP": "mlp"}


@pytest.mark.parametrize("name", KEYS)
def test_the_section_of_a_part_is_named_as_keys_are(name: str) -> None:
    assert section_key(name) == KEYS[name]
