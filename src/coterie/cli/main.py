"""The command's boundary: the table of commands, and what every ending of one says and returns."""

import os
import sys
from typing import Any, Final

import typer
import typer.main

from coterie.cli import (
    alarm,
    backup,
    device,
    found,
    invite,
    member,
    message,
    phrase,
    recover,
    room,
    serve,
    server,
    verify,
)
from coterie.cli.exits import Exit, exit_of
from coterie.cli.options import HomeOption, JsonOption, KeyringOption, PassphraseFileOption
from coterie.cli.output import tell_error
from coterie.errors import CoterieError

_HELP: Final = """Private communications for people who vouch for one another.

Example:
  coterie serve --data server --listen 127.0.0.1:7443
  coterie found LINK --coterie "The Gazette" --as Ada
  coterie invite create
  coterie room new Desk --with Bo
  coterie send Desk hello
"""


def _common(
    context: typer.Context,
    home: HomeOption = None,
    as_json: JsonOption = None,
    passphrase_file: PassphraseFileOption = None,
    keyring: KeyringOption = None,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(version_of("coterie"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit
    given = {"home": home, "as_json": as_json, "passphrase_file": passphrase_file, "keyring": keyring}
    context.obj = {name: value for name, value in given.items() if value is not None}


def build() -> typer.Typer:
    """All commands and options, as the documents are checked against."""
    app = typer.Typer(
        help=_HELP,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        invoke_without_command=True,
        callback=_common,
    )
    for noun in (serve, server, found, invite, room, message, member, device, alarm, phrase, recover, verify, backup):
        noun.add_to(app)
    return app


def run(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code. Only a fault of ours comes out as an exception."""
    as_json = "--json" in arguments
    try:
        ended: Any = typer.main.get_command(build()).main(arguments, prog_name="coterie", standalone_mode=False)
        sys.stdout.flush()
        return ended if isinstance(ended, int) else Exit.DONE
    except CoterieError as error:
        tell_error(error.fact, error.hint, error.code, as_json)
        return exit_of(error)
    except typer.TyperException as error:
        words = error.format_message().rstrip(".")
        where = getattr(getattr(error, "ctx", None), "command_path", "coterie")
        tell_error(words[:1].lower() + words[1:], f"{where} --help shows how", "usage", as_json)
        return Exit.USAGE
    except typer.Abort:
        tell_error("stopped before anything was done", "", "stopped", as_json)
        return Exit.FAILED
    except BrokenPipeError:
        # who reads has enough; the interpreter must not complain while it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED


def main() -> None:
    """The entry point of `coterie`."""
    sys.exit(run(sys.argv[1:]))
