"""Commands that are loaded when they run: the list and its help cost none of their imports."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command


@dataclass(frozen=True, slots=True)
class Command:
    """Where a command is, as `module:function`, and the line that the list of commands shows."""

    place: str
    summary: str

    def load(self, name: str) -> Any:
        """The command itself."""
        module, _, function = self.place.partition(":")
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(name)(getattr(import_module(module), function))
        return get_command(app)

    def listed(self, name: str) -> Any:
        """What stands for it in the list."""
        app = typer.Typer(add_completion=False)
        app.command(name, help=self.summary)(_nothing)
        return get_command(app)


def _nothing() -> None:
    """What a command of the list would run."""


def lazy(commands: Mapping[str, Command]) -> type[TyperGroup]:
    """A group of these commands, in their order."""

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            found = commands.get(cmd_name)
            return found and found.listed(cmd_name)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, _, rest = super().resolve_command(ctx, args)
            return name, name and commands[name].load(name), rest

    return Group
