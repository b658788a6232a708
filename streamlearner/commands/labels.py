"""`streamlearner labels`: labels that come later, for inputs that a running daemon predicted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from streamlearner.client import Client, NotFound, NotNow
from streamlearner.commands.options import (
    ADDRESS,
    AddressOption,
    JsonOption,
    TokenFileOption,
    TokenOption,
    connect,
)
from streamlearner.errors import StreamlearnerError

OUTCOMES = {
    "label-conflict": "conflict", "unknown-prediction": "unknown", "prediction-expired": "expired",
}  # fmt: skip
"""Problems that concern one label alone: the others of a file are sent on."""


def labels(
    prediction_id: Annotated[str | None, typer.Argument(help="As the prediction's answer has it.")] = None,
    label: Annotated[str | None, typer.Argument(help="Its class; of several factors, a JSON object.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help='JSON lines of {"prediction_id": ..., "label": ...}.', exists=True, dir_okay=False),
    ] = None,
    address: AddressOption = ADDRESS,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sends the label of a prediction, or those in a file; without either, says what became of labels."""
    if (prediction_id is None) != (label is None) or (prediction_id is not None and file is not None):
        raise typer.BadParameter("expected a prediction id and its label, or --file, or nothing")
    client = connect(address, token, token_file)
    if prediction_id is not None and label is not None:
        answer = client.label(prediction_id, read_label(label))
        typer.echo(json.dumps(answer, indent=2) if as_json else answer["outcome"])
    elif file is not None:
        counts = send(client, read_lines(file))
        typer.echo(json.dumps(counts, indent=2) if as_json else told(counts))
    else:
        found = client.status()["answered"]
        typer.echo(json.dumps(found, indent=2) if as_json else told_of(found))


def read_label(text: str) -> Any:
    """A class as it is written; what begins like a JSON object is one."""
    return json.loads(text) if text.startswith("{") else text


def read_lines(file: Path) -> Iterator[tuple[str, Any]]:
    """Ids and labels. Raises StreamlearnerError for a line that is none."""
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
                yield str(found["prediction_id"]), found["label"]
            except (ValueError, KeyError, TypeError):
                expected = '{"prediction_id": ..., "label": ...}'
                raise StreamlearnerError(f"{file}, line {number}: expected {expected}") from None


def send(client: Client, found: Iterator[tuple[str, Any]]) -> dict[str, int]:
    """Labels by outcome. Raises what concerns more than one of them."""
    counts: Counter[str] = Counter()
    for name, label in found:
        try:
            counts[client.label(name, label)["outcome"]] += 1
        except (NotFound, NotNow) as error:
            if error.kind not in OUTCOMES:
                raise
            counts[OUTCOMES[error.kind]] += 1
    return dict(counts)


def told(counts: dict[str, int]) -> str:
    """Counts in words."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no labels"


def told_of(answered: dict[str, Any] | None) -> str:
    """What the status says of labels that came, and of the answers that they judged."""
    if answered is None:
        return "this daemon keeps no predictions for labels that come later: set labels.budget_bits"
    right = answered["overall"]
    share = "not yet known" if right is None else f"{right:.1%} of {answered['labelled']:,}"
    return "\n".join(
        [
            f"labels: {told(answered['labels'])}",
            f"predictions that wait for one: {answered['waiting']:,}",
            f"answers that were right: {share}",
        ]
    )
