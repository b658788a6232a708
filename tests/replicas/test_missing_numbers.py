"""What stands for a missing number is the affair of the model that a replica follows, not of its settings."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from streamlearner.export.card import CARD, Card
from streamlearner.export.exported import Exported
from streamlearner.state.published import Published
from tests.support.exports import exported, learned
from tests.support.patience import wait_until
from tests.support.replicas import Running, running_replica


@functools.cache
def version(number: int, *missing: float | str) -> Exported:
    """Of a learner of two classes of vectors [3] whose codec has these `missing_values`."""
    kinds = torch.arange(40) % 2
    chance = torch.Generator().manual_seed(number)
    inputs = torch.randn(40, 3, generator=chance) + 3.0 * kinds[:, None]
    settings = {"method.name": "streaming_statistics", "codec.missing_values": list(missing)}
    learner = learned(inputs, ["low", "high"] * 20, settings=settings)
    learner.progress.version = learner.progress.newest = number
    return exported(learner, ["torch"])


def publish(folder: Path, made: Exported, running: Running | None = None) -> None:
    published = Published(folder)
    published.add(made.card.version, made.files)
    published.point_to(made.card.version)
    if running is not None:
        wait_until(lambda: running.client.get("/readyz").status_code == 200, "ready", every_s=0.02)


def ask(client: httpx.Client, *values: float | None) -> Any:
    body = {"inputs": [values], "return": ["probabilities"]}
    answer = client.post("/v1/predict", json=body)
    return answer.json()["predictions"][0]["probabilities"] if answer.is_success else answer.json()["reason"]


def says_nothing_of_it(made: Exported) -> Exported:
    """As versions were exported before cards said it."""
    card = replace(made.card, signature=replace(made.card.signature, missing_as=None))
    return Exported(card, {**made.files, CARD: card.to_bytes()})


def test_the_card_says_what_stands_for_a_missing_number() -> None:
    data = version(1, -999.0, 7.5, "nan").files[CARD]
    assert Card.from_bytes(data, where="it").signature.missing_as == (-999.0, 7.5)
    assert Card.from_bytes(version(1).files[CARD], where="it").signature.missing_as == ()


def test_a_card_that_does_not_say_it_is_read_and_its_digest_stays() -> None:
    data = says_nothing_of_it(version(1, -999.0)).files[CARD]
    assert "missing_as" not in json.loads(data)["signature"]
    assert Card.from_bytes(data, where="it").to_bytes() == data


@pytest.mark.parametrize("settings", [{}, {"codec.missing_values": [5.0]}])
def test_a_replica_takes_it_from_the_card(tmp_path: Path, settings: dict[str, Any]) -> None:
    with running_replica(tmp_path, settings) as replica:
        publish(tmp_path, version(1, -999.0), replica)
        filled = ask(replica.client, 1.0, None, 5.0)
        assert set(filled) == {"low", "high"}
        assert ask(replica.client, 1.0, -999.0, 5.0) == filled
        assert ask(replica.client, 1.0, -5.0, 5.0) != filled


def test_where_the_model_misses_nothing_nothing_may_be_missing(tmp_path: Path) -> None:
    with running_replica(tmp_path, {"codec.missing_values": [-999.0]}) as replica:
        publish(tmp_path, version(1), replica)
        assert ask(replica.client, 1.0, None, 0.5) == "value"


def test_of_a_card_that_does_not_say_it_the_settings_do(tmp_path: Path) -> None:
    with running_replica(tmp_path, {"codec.missing_values": [-999.0]}) as replica:
        publish(tmp_path, says_nothing_of_it(version(1, -999.0)), replica)
        assert ask(replica.client, 1.0, -999.0, 0.5) == ask(replica.client, 1.0, None, 0.5)


def test_the_gateway_of_a_replica_knows_it_too(tmp_path: Path) -> None:
    with running_replica(tmp_path) as replica:
        publish(tmp_path, version(1, -999.0), replica)
        filled = ask(replica.client, 1.0, None, 0.5)

        def is_lent() -> bool:
            assert ask(replica.client, 1.0, -999.0, 0.5) == filled
            return replica.serving.lent > 0

        wait_until(is_lent, "lent", every_s=0.001)
        for _ in range(20):
            assert ask(replica.client, 1.0, -999.0, 0.5) == filled


def test_a_version_that_takes_other_numbers_is_not_followed_until_a_restart(tmp_path: Path) -> None:
    with running_replica(tmp_path) as replica:
        publish(tmp_path, version(1, -999.0), replica)
        publish(tmp_path, version(2, -1.0))
        status = lambda: replica.client.get("/v1/status").json()["replica"]  # noqa: E731
        wait_until(lambda: status()["failure"] is not None, "refused", every_s=0.02)
        assert status()["version"] == 1 and "start this replica again" in status()["failure"]
        assert ask(replica.client, 1.0, -999.0, 0.5) == ask(replica.client, 1.0, None, 0.5)
    with running_replica(tmp_path) as replica:
        wait_until(lambda: replica.client.get("/readyz").status_code == 200, "ready", every_s=0.02)
        assert ask(replica.client, 1.0, -1.0, 0.5) == ask(replica.client, 1.0, None, 0.5)
