"""`streamlearner meta-train`: makes the gate that the method `meta_learned_update` loads."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from streamlearner.errors import StreamlearnerError

if TYPE_CHECKING:
    from streamlearner.gates.meta_learning import Episode


class TargetName(StrEnum):
    READOUT = "readout"
    REPRESENTATION = "representation"


def _classes(text: str) -> tuple[int, ...]:
    """`0-4` or `0,2,5-7`."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
            raise typer.BadParameter("expected class numbers such as 0-4 or 0,2,5-7")
        found += range(int(first), int(last or first) + 1)
    return tuple(found)


OutArgument = Annotated[Path, typer.Argument(help="The file to write, for example gate.safetensors.")]
DataSetOption = Annotated[str, typer.Option(help="A set of labelled images, named as torchvision does.")]
DataOption = Annotated[Path, typer.Option(help="The folder that holds it.")]
DownloadOption = Annotated[bool, typer.Option("--download", help="Fetch the set where it is absent.")]
NetworkOption = Annotated[str, typer.Option(help="The network whose updates are gated, as network.name.")]
OldOption = Annotated[str, typer.Option(metavar="CLASSES", help="Known before: 0-4, or 0,2,5-7.")]
NewOption = Annotated[str, typer.Option(metavar="CLASSES", help="Learned in the episodes.")]
PerEpisodeOption = Annotated[
    int | None, typer.Option(min=2, help="New classes in an episode, drawn anew each time; all by default.")
]
EpisodesOption = Annotated[int, typer.Option(min=1, help="From the pretrained network to the last step.")]
StepsOption = Annotated[int, typer.Option(min=1, help="Of an episode, unless its student strays before.")]
HorizonOption = Annotated[
    int, typer.Option(min=1, help="Steps the gate remembers: method.meta_learned_update.horizon.")
]
BatchOption = Annotated[int, typer.Option(min=1, help="Examples of each task in a step.")]
PretrainingOption = Annotated[int, typer.Option(min=1, help="Steps on the old classes, first.")]
RateOption = Annotated[float, typer.Option(help="Step size of the network, as method.learning_rate.")]
EachWeightOption = Annotated[
    bool,
    typer.Option(
        "--each-weight",
        help="A gate for the pretrained network alone, which goes into the file: the daemon starts with it.",
    ),
]
TargetOption = Annotated[
    TargetName, typer.Option(help="What a student is held to: the paper has the representation.")
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(help="Loss at which a student has strayed: 5 for readout, 20 to 35 for representation."),
]
SeedOption = Annotated[int, typer.Option(min=0)]


def meta_train(
    out: OutArgument,
    data_set: DataSetOption = "MNIST",
    data: DataOption = Path("data"),
    download: DownloadOption = False,
    network: NetworkOption = "auto",
    old: OldOption = "0-4",
    new: NewOption = "5-9",
    new_per_episode: PerEpisodeOption = None,
    each_weight: EachWeightOption = False,
    episodes: EpisodesOption = 16,
    steps: StepsOption = 500,
    horizon: HorizonOption = 50,
    batch_size: BatchOption = 32,
    pretraining_steps: PretrainingOption = 1_500,
    learning_rate: RateOption = 0.05,
    target: TargetOption = TargetName.READOUT,
    threshold: ThresholdOption = None,
    seed: SeedOption = 0,
) -> None:
    """Trains a gate for updates: a student of new classes alone is to show what a teacher of all reads.

    No daemon has to run; `method.meta_learned_update.gate` then takes the file.

    A step takes a twentieth of a second for a small network, a quarter for lenet.
    """
    if out.is_dir() or not out.absolute().parent.is_dir():
        raise StreamlearnerError(f"{out}: expected a file in a folder that exists")
    old_classes, new_classes = _classes(old), _classes(new)
    from streamlearner.app.meta_training import MetaTraining

    training = MetaTraining(
        data_set=data_set,
        folder=data,
        download=download,
        network=network,
        old=old_classes,
        new=new_classes,
        new_per_episode=new_per_episode,
        pretraining_steps=pretraining_steps,
        episodes=episodes,
        steps=steps,
        horizon=horizon,
        batch_size=batch_size,
        learning_rate=learning_rate,
        target=target.value,
        threshold=threshold,
        seed=seed,
        each_weight=each_weight,
    )
    _watch(training.run(out), episodes)
    typer.echo(f"{out}: a gate for {network}; method.meta_learned_update.gate takes it")


def _watch(episodes_run: Iterator[Episode], episodes: int) -> None:
    """Runs it under a progress bar."""
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("pretraining", total=episodes)
        for episode in episodes_run:
            progress_text = f"episode {episode.number + 1}: {episode.steps} steps, loss {episode.loss:.2f}"
            progress.update(bar, advance=1, description=progress_text)
