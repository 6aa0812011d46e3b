"""What all commands have in common: the settings, `--json`, and examples in the help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from streembit.cli.client import Client
    from streembit.disk.accounts import Accounts

F = TypeVar("F", bound=Callable[..., object])


@dataclass
class Settings:
    """What was said before the command; `json` may be said after it too."""

    home: Path
    account: str | None
    json: bool

    def client(self, role: str = "node") -> Client:
        """Return the client of the running node, or hub, of the account that was named.

        Raises:
            NoSuchAccount: there is none of this name, or the node runs as another.
        """
        from streembit.cli.client import Client
        from streembit.disk.home import Home
        from streembit.errors import NoSuchAccount
        from streembit.service.facade import Status

        if self.account is None:
            return Client(self.home, role=role)
        home = Home(self.home)
        place = home.place(self.account)
        if place != home.first:
            home.accounts.choose(self.account)
        client = Client(self.home, place.folder, role)
        running = client.ask("GET", "/v1/status", Status).account
        if running != self.account:
            raise NoSuchAccount("the running node has another one", runs_as=running)
        return client

    def accounts(self) -> Accounts:
        """Return the accounts of the home, which must exist."""
        from streembit.disk.home import Home

        return Home.open(self.home).accounts

    def new_accounts(self) -> Accounts:
        """Return the accounts of the home, which is made if there is none."""
        from streembit.disk.home import Home

        return Home.create(self.home).accounts


def _set_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Settings).json = True


class Command(click.Command):
    """A command that takes `--json` and shows examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_set_json,
                help="Print JSON.",
            )
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on its own line."""
        write_examples(self.examples, formatter)


class Group(click.Group):
    """A group of commands that shows examples in its help."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        kwargs.setdefault("no_args_is_help", False)
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on its own line."""
        write_examples(self.examples, formatter)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write a section of examples into a help text."""
    if examples:
        with formatter.section("Examples"):
            formatter.write("".join(f"  {example}\n" for example in examples))


def pass_settings(function: F) -> F:
    """Give the settings to a command as its first argument."""
    return cast(F, click.make_pass_decorator(Settings)(function))
