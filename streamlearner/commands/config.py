"""`streamlearner config`: the configuration checked, described, shown."""

from __future__ import annotations

import json

import typer
import yaml

from streamlearner.commands.options import ConfigOption, SetOption, load_config
from streamlearner.config import loading as configuration

config_commands = typer.Typer(help="Checks, describes and shows the configuration.", no_args_is_help=True)


@config_commands.command("check")
def check(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Says whether the configuration can be used: exit code 78 and every problem where it cannot."""
    settings = load_config(config, set_)
    if settings.network.is_of_torchvision:
        from streamlearner.app import check_network

        check_network(settings)
    if settings.eye.is_open:
        from streamlearner.app import check_eye

        check_eye(settings)
    if settings.serving.tls.certificate or any(paths for _, paths in settings.serving.token_files):
        from streamlearner.app import check_access

        check_access(settings)
    if "kafka" in (settings.source.type, settings.dead_letters.type):
        from streamlearner.connectors.kafka.trial import check_options

        kafka = settings.source.settings_of("kafka")
        check_options(kafka.bootstrap_servers, kafka.client_options())
    typer.echo("the configuration is good")


@config_commands.command("schema")
def schema() -> None:
    """Prints the JSON schema: every setting with its type, default, unit and reason."""
    typer.echo(json.dumps(configuration.Config.model_json_schema(), indent=2))


@config_commands.command("show")
def show(config: ConfigOption = None, set_: SetOption = None) -> None:
    """Prints the settings that a run would use, of flags, environment, file and defaults; secrets masked."""
    shown = load_config(config, set_).shown()
    typer.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)
