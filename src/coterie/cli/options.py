"""The options that every command takes, declared once: where the device is, how it opens, JSON or words.

They may stand before the command or after it; what stands after it counts.
"""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from coterie.cli.output import Output

P = ParamSpec("P")

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", metavar="DIR", help="The device's folder. Otherwise COTERIE_HOME, or the user's data folder."
    ),
]
JsonOption = Annotated[
    bool | None,
    typer.Option("--json", show_default=False, help="Print JSON on standard output, and nothing else there."),
]
PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="Read the passphrase from FILE. Otherwise COTERIE_PASSPHRASE, or a question.",
    ),
]
KeyringOption = Annotated[
    bool | None,
    typer.Option("--keyring", show_default=False, help="Let the system's keyring hold the key, without a passphrase."),
]


@dataclass(frozen=True)
class Here:
    """What a command knows of where it runs."""

    home: Path
    as_json: bool
    passphrase_file: Path | None
    keyring: bool

    @property
    def output(self) -> Output:
        return Output(self.as_json)


def _parameter(name: str, annotation: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


_JSON: Final = (_parameter("as_json", JsonOption),)
_DEVICE: Final = (
    _parameter("home", HomeOption),
    *_JSON,
    _parameter("passphrase_file", PassphraseFileOption),
    _parameter("keyring", KeyringOption),
)


def device_command(command: Callable[Concatenate[Here, P], None]) -> Callable[..., None]:
    """Make a command's function take all the options of a device; it gets them as its `Here`."""
    return _with_options(command, _DEVICE)


def plain_command(command: Callable[Concatenate[Here, P], None]) -> Callable[..., None]:
    """The same for a command that opens no device: `--json` only."""
    return _with_options(command, _JSON)


def _with_options(
    command: Callable[Concatenate[Here, P], None], options: tuple[inspect.Parameter, ...]
) -> Callable[..., None]:
    run: Callable[..., None] = command
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    def with_options(context: typer.Context, **values: Any) -> None:
        before: dict[str, Any] = context.find_root().obj or {}
        given = {option.name: values.pop(option.name) for option in options}
        here = _here(before | {name: value for name, value in given.items() if value is not None})
        run(here, **values)

    update_wrapper(with_options, command)
    parameters = [context, *own, *options]
    # Typer reads what a command takes from its signature
    vars(with_options)["__signature__"] = inspect.Signature(parameters)
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options


def _here(given: dict[str, Any]) -> Here:
    home = given.get("home") or os.environ.get("COTERIE_HOME") or _default_home()
    return Here(
        home=Path(home).expanduser().absolute(),
        as_json=bool(given.get("as_json")),
        passphrase_file=given.get("passphrase_file"),
        keyring=bool(given.get("keyring")),
    )


def _default_home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("coterie", appauthor=False)
