"""A user's own parts in the configuration: named, with settings of their own, refused with a place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlearner.config.loading import Config, load
from streamlearner.errors import ConfigError
from tests.support.plug_ins import SitePackages, forget

SOURCE = """
    from streamlearner.registry.section import Count, Section
    from streamlearner.stream import Source

    class Squares(Source):
        class Settings(Section):
            "Squares of numbers."
            upto: Count = 100
            "how many"

            def usable(self):
                if self.upto == 13:
                    raise ValueError("source.squares.upto to be a luckier number")
"""
METHOD = """
    from streamlearner.methods.finetune import Finetune
    from streamlearner.registry.section import Section

    class Mine(Finetune):
        class Settings(Section):
            weight: float = 1.0
"""
BROUGHT = {"streamlearner.sources": {"squares": "my_source:Squares", "ruin": "my_ruin:Ruin"}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SitePackages]:
    (tmp_path / "site").mkdir()
    with monkeypatch.context() as patched:
        made = SitePackages(tmp_path / "site", patched)
        made.install("mine", entry_points=BROUGHT, my_source=SOURCE)
        yield made
    forget()


def loaded(**flags: object) -> Config:
    settings = {name.replace("__", "."): value for name, value in flags.items()}
    return load(path=None, environ={}, settings=settings)


def refusal(**flags: object) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(**flags)
    return str(caught.value)


@pytest.mark.parametrize("name", ["squares", "my_source:Squares"])
def test_a_part_of_ones_own_has_its_settings_under_its_name(site: SitePackages, name: str) -> None:
    config = loaded(source__type=name, source__squares__upto="7")
    assert config.source.type == name
    assert config.source.settings_of().upto == 7
    assert config.shown()["source"]["squares"] == {"upto": 7}
    assert loaded(source__type=name).source.settings_of().upto == 100


def test_settings_may_stand_in_a_file_and_in_the_environment(site: SitePackages, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("source: {type: squares, squares: {upto: 5}}\n")
    assert load(path=file, environ={}).source.settings_of().upto == 5
    environ = {"STREAMLEARNER_SOURCE__SQUARES__UPTO": "6"}
    assert load(path=file, environ=environ).source.settings_of().upto == 6


def test_settings_of_a_plug_in_that_is_not_chosen_are_checked_too(site: SitePackages) -> None:
    assert loaded(source__squares__upto=7).source.type == "push"
    assert "expected a whole number of at least 1, found 0" in refusal(source__squares__upto=0)


def test_an_unknown_key_of_ones_own_section_names_the_nearest(site: SitePackages) -> None:
    said = refusal(source__type="squares", source__squares__up_to=1)
    assert "--set source.squares.up_to: no such setting; did you mean source.squares.upto?" in said


def test_settings_that_the_part_itself_refuses_are_refused(site: SitePackages) -> None:
    said = refusal(source__type="squares", source__squares__upto=13)
    assert "expected source.squares.upto to be a luckier number" in said
    assert loaded(source__squares__upto=13).source.type == "push"


def test_a_wrong_name_lists_what_is_shipped_and_what_is_installed(site: SitePackages) -> None:
    said = refusal(source__type="square")
    assert "expected push, kafka, files, memory, ruin or squares, found the text 'square'" in said
    assert "did you mean squares?" in said
    assert "; or your own, package.module:Name" in refusal(source__type="xyz")


def test_a_broken_plug_in_is_refused_with_its_place_and_only_where_it_is_used(site: SitePackages) -> None:
    said = refusal(source__type="ruin")
    assert said.startswith("--set source.type: source ruin of the distribution mine (my_ruin:Ruin): there")
    assert loaded(source__type="squares").source.settings_of().upto == 100


def test_a_target_that_is_not_there_is_refused_with_its_place(site: SitePackages, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("seed: 1\nmethod:\n  name: my_source:Nothing\n")
    with pytest.raises(ConfigError) as caught:
        load(path=file, environ={})
    assert str(caught.value).startswith(f"{file}:3: method.name: method my_source:Nothing: my_source has no")


def test_a_part_of_another_kind_is_refused(site: SitePackages) -> None:
    said = refusal(method__name="my_source:Squares")
    assert "expected a class that extends streamlearner.methods.base.DualMemory" in said


def test_a_name_that_is_a_setting_already_is_refused(site: SitePackages) -> None:
    site.write(my_source=SOURCE.replace("Squares", "Type"))
    assert "type is a setting already; give the part another name" in refusal(source__type="my_source:Type")


def test_equal_settings_make_equal_configurations_and_one_digest(site: SitePackages) -> None:
    one, other = loaded(source__type="squares"), loaded(source__type="squares")
    assert one == other
    assert isinstance(one, Config)
    assert one.digest() == loaded().digest(), "a source shapes no learning"


def test_a_method_that_is_added_changes_no_digest_but_where_it_learns(site: SitePackages) -> None:
    site.write(my_method=METHOD)
    plain = loaded().digest()
    mine = {"method__name": "my_method:Mine"}
    digests = [loaded(**mine, **more).digest() for more in ({}, {"method__mine__weight": 2.0})]
    assert len({plain, *digests}) == 3
    assert loaded(method__streaming_statistics__directions=7).digest() == plain
    assert loaded(method__name="streaming_statistics").digest() != plain
