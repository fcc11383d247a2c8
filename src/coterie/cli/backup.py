"""`coterie backup …`: a device's history in a file, and back."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.ask import answer_each
from coterie.cli.options import Here, device_command
from coterie.cli.output import Row
from coterie.cli.phrase import on_a_terminal
from coterie.cli.recover import PhraseFileOption, YesOption, asked, come_back

if TYPE_CHECKING:
    from coterie.client.backup import Restored
    from coterie.store import Passphrase, Unlock
    from coterie.trust.phrase import Phrase
    from coterie.trust.server_link import ServerLink

backup_commands = typer.Typer(help="Backups: what was said, in one encrypted file.")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.")]
BackupPassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--backup-passphrase-file",
        metavar="FILE",
        help="Read the backup's passphrase from FILE. Otherwise it is the device's.",
    ),
]


def create(here: Here, file: FileArgument, backup_passphrase_file: BackupPassphraseOption = None) -> None:
    """Write this device's history to a new, encrypted file.

    It opens with a passphrase (this device's, if you give no other) and with your recovery phrase. It is read back
    before it is called done. What could be used twice, the keys of the device, is not in it.

    Example:
      coterie backup create gazette.backup
    """
    passphrase = _passphrase(here, backup_passphrase_file, new=True)
    done: list[Row] = []
    with _progress(here, "messages") as progress:

        def each(row: Row) -> None:
            if row["event"] == "progress":
                progress(_number(row["done"]), _number(row["total"]))
            else:
                done.append(row)

        text = None if passphrase is None else bytes(passphrase).decode()
        answer_each(here, each, "backup create", file=str(file.absolute()), passphrase=text)
    (row,) = done
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(f"{file}: {row['messages']} messages, {row['bytes']} bytes, read back and whole")


def restore(
    here: Here,
    file: FileArgument,
    phrase_file: PhraseFileOption = None,
    backup_passphrase_file: BackupPassphraseOption = None,
    yes: YesOption = False,
) -> None:
    """Make a new folder with the history of a backup.

    It can be read at once. With the recovery phrase it then becomes your only device, and all your others are removed.
    Stopped in the middle, the same command goes on where it was.

    Example:
      coterie backup restore gazette.backup --home new --phrase-file phrase.txt
    """
    from coterie.cli.unlock import unlock_new
    from coterie.client.backup import restore as restore_backup
    from coterie.client.device import system_clock
    from coterie.client.recovery import read_phrase_file

    phrase: Phrase | None = None
    server: ServerLink | None = None
    if phrase_file is not None:
        phrase, server = read_phrase_file(phrase_file)
    passphrase = _passphrase(here, backup_passphrase_file, new=False, ask=phrase is None)
    unlock = unlock_new(here)
    restored: Restored | None = None
    with _progress(here, "bytes") as progress:
        for restored in restore_backup(here.home, unlock, file, passphrase, phrase, system_clock):
            progress(restored.read, restored.size)
    assert restored is not None
    _tell(here, restored)
    if phrase is not None:
        _membership(here, unlock, server, phrase, yes)


def _tell(here: Here, restored: "Restored") -> None:
    if here.as_json:
        here.output.row({"event": "restored", "rooms": restored.rooms, "messages": restored.messages})
    else:
        here.output.say(f"{restored.messages} messages in {restored.rooms} rooms are here: coterie read ROOM")


def _membership(here: Here, unlock: "Unlock", server: "ServerLink | None", phrase: "Phrase", yes: bool) -> None:
    """The history is here; now the device, if its member agrees to what that removes."""
    from coterie.client.device import system_clock
    from coterie.client.recovery import restored_server

    if not yes and (here.as_json or not on_a_terminal()):
        typer.echo("to be a member's device again, which removes all your others: coterie recover --yes", err=True)
        return
    there = server or restored_server(here.home, unlock, system_clock)
    come_back(here, unlock, there, phrase, asked(here, there, phrase, yes))


def _passphrase(here: Here, file: Path | None, *, new: bool, ask: bool = True) -> "Passphrase | None":
    """The backup's: from its own file, or the device's, or asked for; None if there is nobody to ask."""
    from coterie.cli.unlock import asked_passphrase, chosen_passphrase, given_passphrase, passphrase_in

    if file is not None:
        return passphrase_in(file)
    given = given_passphrase(here.passphrase_file)
    if given is not None or not ask or not on_a_terminal():
        return given
    return chosen_passphrase("the backup") if new else asked_passphrase("the backup's passphrase: ")


@contextlib.contextmanager
def _progress(here: Here, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if here.as_json or not on_a_terminal():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value


def add_to(app: typer.Typer) -> None:
    backup_commands.command("create")(device_command(create))
    backup_commands.command("restore")(device_command(restore))
    app.add_typer(backup_commands, name="backup")
