"""`streamlearner export`: the model as files that other programs run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamlearner.commands.options import ConfigOption, SetOption, load_config
from streamlearner.errors import ConfigError

if TYPE_CHECKING:
    from streamlearner.config.loading import Config
    from streamlearner.export.exported import Exported


class Format(StrEnum):
    """Of exported files."""

    ONNX = "onnx"
    TORCH = "torch"


ToOption = Annotated[Path, typer.Option("--to", "-t", help="Folder; the files go to a folder N in it.")]
FormatOption = Annotated[
    list[Format], typer.Option("--format", "-f", help="onnx or torch; repeatable, both without.")
]


def export(
    to: ToOption,
    version: Annotated[
        int | None, typer.Argument(help="An adopted version that is kept; what answers now, without.")
    ] = None,
    format: FormatOption = [Format.ONNX, Format.TORCH],  # noqa: B006
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Exports what answers, from the state folder's newest checkpoint; the daemon may run.

    What a version answered when it was adopted is taken where the daemon exported it then (export.formats);
    else a version's weights answer as after a rollback to it.
    """
    from streamlearner.state.published import Published

    settings = load_config(config, set_)
    formats = list(dict.fromkeys(each.value for each in format))
    try:
        made = _exported(settings, version, formats)
    except LookupError as error:
        raise ConfigError(str(error)) from None
    published = Published(to)
    path = published.add(made.card.version, made.files)
    published.point_to(made.card.version)
    typer.echo(f"model version {made.card.model_version} is in {path}")
    for name, described in made.card.files.items():
        agreement = described.get("agreement")
        apart = f", within {agreement['largest_difference']:.1g} of the daemon's answers" if agreement else ""
        typer.echo(f"  {name}  {described['size_bytes']:,} bytes{apart}")


def _exported(settings: Config, version: int | None, formats: list[str]) -> Exported:
    from streamlearner.app import exporting
    from streamlearner.state.versions import Versions

    versions = Versions(settings.state_dir / "versions", keep=settings.checkpoint.keep_versions)
    if version is not None and (found := exporting.exported_before(versions.folder, version, formats)):
        return found
    learner = exporting.restored(settings.state_dir, config=settings, version=version)
    return exporting.export_learner(
        learner, formats=formats, version=version, versions=versions, method=settings.method.name
    )
