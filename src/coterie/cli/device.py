"""What concerns this device itself: `status`, `sync`, `run`, `device …`, `passphrase …`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coterie.cli.ask import answer, answer_one, keep_online
from coterie.cli.options import Here, device_command
from coterie.cli.people import show_devices, show_status

if TYPE_CHECKING:
    from coterie.client import Device
    from coterie.store import Passphrase

device_commands = typer.Typer(help="The devices of the coterie's members.")
passphrase_commands = typer.Typer(help="What opens this device.")


def status(here: Here) -> None:
    """Show who and where this device is, and whether anything is wrong.

    Example:
      coterie status
    """
    row = answer_one(here, "status")
    if here.as_json:
        here.output.row(row)
    else:
        show_status(here.output, row)


def sync(here: Here) -> None:
    """Fetch what is new and send what waits, once.

    Example:
      coterie sync && coterie read Desk
    """
    row = answer_one(here, "sync")
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(f"{row['rooms']} rooms, {row['received']} received, {row['sent']} sent")


def run(here: Here) -> None:
    """Keep this device online until Ctrl-C. Meanwhile the other commands go through it, and ask for no passphrase.

    Example:
      coterie run &
    """

    def online(device: "Device") -> None:
        now = device.status()
        if here.as_json:
            here.output.row(
                {"event": "running", "member": now.member.hex(), "device": now.device.hex(), "pid": os.getpid()}
            )
        else:
            here.output.say(f"running as process {os.getpid()}; Ctrl-C ends it")

    keep_online(here, online)


def list_(here: Here) -> None:
    """List the devices of all members.

    Example:
      coterie device list
    """
    rows = answer(here, "device list")
    if here.as_json:
        for row in rows:
            here.output.row(row)
    else:
        show_devices(here.output, rows)


def remove(
    here: Here, device: Annotated[str, typer.Argument(metavar="DEVICE", help="The device's id, or 6 characters of it.")]
) -> None:
    """Remove a device that was lost or sold: your own, or anybody's if you are a steward.

    Example:
      coterie device remove 5d01ab
    """
    row = answer_one(here, "device remove", device=device)
    if here.as_json:
        here.output.row(row)
    else:
        here.output.say(f"the device {str(row['device'])[:12]} is removed")


def change(
    here: Here,
    new_file: Annotated[
        Path | None,
        typer.Option(
            "--new-passphrase-file", metavar="FILE", help="Read the new passphrase from FILE instead of asking."
        ),
    ] = None,
    to_keyring: Annotated[
        bool, typer.Option("--to-keyring", help="Let the system's keyring open the device from now on.")
    ] = False,
) -> None:
    """Change what opens this device: a new passphrase, or the system's keyring.

    Example:
      coterie passphrase change
    """
    from coterie.cli.unlock import unlock_known
    from coterie.store import Keyring
    from coterie.store.wrap import rewrap
    from coterie.store.wrap import unlock as check

    old = unlock_known(here)
    check(here.home, old)
    new = Keyring.find() if to_keyring else _new_passphrase(new_file)
    rewrap(here.home, old, new)
    if here.as_json:
        here.output.row({"opens_with": "keyring" if to_keyring else "passphrase"})
    else:
        here.output.say("changed: the old one does not open this device any more")


def _new_passphrase(file: Path | None) -> "Passphrase":
    from coterie.cli.unlock import chosen_passphrase, passphrase_in

    return chosen_passphrase() if file is None else passphrase_in(file)


def add_to(app: typer.Typer) -> None:
    app.command("status")(device_command(status))
    app.command("sync")(device_command(sync))
    app.command("run")(device_command(run))
    device_commands.command("list")(device_command(list_))
    device_commands.command("remove")(device_command(remove))
    passphrase_commands.command("change")(device_command(change))
    app.add_typer(device_commands, name="device")
    app.add_typer(passphrase_commands, name="passphrase")
