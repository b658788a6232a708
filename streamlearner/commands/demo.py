"""`streamlearner demo`: digits learned class after class, beside a baseline that forgets them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from streamlearner.commands.options import Data, DataOption


def demo(
    exit_: Annotated[
        bool,
        typer.Option("--exit", help="End after the summary: with 0 if retention beat the baseline, else 1."),
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 picks a free one.")] = 8080,
    data: DataOption = Data.DIGITS,
    rate: Annotated[float, typer.Option(min=0.1, help="Examples pushed in a second.")] = 100.0,
) -> None:
    """Learns real handwritten digits, class after class, beside a baseline that forgets them."""
    from streamlearner.commands import demo_run

    sys.exit(demo_run.run(exit_at_end=exit_, port=port, examples_per_s=rate))
