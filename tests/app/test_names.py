"""What `streamlearner.app` offers is imported once it is asked for."""

from __future__ import annotations

from importlib import import_module

import pytest

from streamlearner import app


@pytest.mark.parametrize("name", app.__all__)
def test_each_name_is_what_its_module_defines(name: str) -> None:
    assert getattr(app, name) is getattr(import_module(f"streamlearner.{app._HOMES[name]}"), name)


def test_another_name_is_none_of_its_attributes() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'planner'"):
        app.planner  # noqa: B018
