"""What concerns this device itself: `status`, `sync`, `run`, `device …`, `passphrase …`."""

import asyncio
import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from coterie.cli.ask import answer, answer_one, converse, keep_online
from coterie.cli.options import Here, device_command
from coterie.cli.output import Row
from coterie.cli.people import list_of, show_devices, show_status

if TYPE_CHECKING:
    from coterie.client import Device
    from coterie.store import Passphrase

LONGEST_CODE: Final = 16 * 1024

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


def add(
    here: Here,
    history: Annotated[
        Literal["all", "30d", "none"], typer.Option("--history", help="How much of the past the new device gets.")
    ] = "all",
) -> None:
    """Link a new device of your own: shows a code for it, then the words that both must show alike.

    Answer yes only if the new device shows the same words: whoever has the code could otherwise take its place.

    Example:
      coterie device add --history 30d
    """

    async def each(row: Row) -> tuple[str, dict[str, object]] | None:
        if here.as_json:
            here.output.row(row)
        else:
            _show_linking(here, row)
        if row["event"] != "words":
            return None
        return "device add answer", {"yes": (await _typed()).strip().lower() == "yes"}

    converse(here, each, "device add", history=history)


def _show_linking(here: Here, row: Row) -> None:
    from coterie.cli.invite import qr_of

    match row:
        case {"event": "code", "code": str(code)}:
            here.output.say(f"{qr_of(code)}\n{code}", lines=True)
            here.output.say("on the new device: coterie device link CODE (within ten minutes; nobody else may see it)")
        case {"event": "words", "words": list(words)}:
            here.output.say(f"words     {' '.join(map(str, words))}")
            here.output.say("does the new device show the same words? yes or no:")
        case {"event": "added", "device": str(device)}:
            here.output.say(f"the device {device[:12]} is yours; it is added to your rooms")


async def _typed() -> str:
    """A line of standard input, read beside the loop; at its end, nothing."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[str] = loop.create_future()

    def read() -> None:
        line = sys.stdin.readline(100)
        with contextlib.suppress(RuntimeError):  # the command has ended meanwhile
            loop.call_soon_threadsafe(lambda: None if typed.done() else typed.set_result(line))

    threading.Thread(target=read, daemon=True).start()
    return await typed


def link(
    here: Here,
    code: Annotated[
        str,
        typer.Argument(metavar="CODE", help="What `coterie device add` shows, or - to read it from standard input."),
    ],
) -> None:
    """Make this computer a further device of yours, with the code that another one shows.

    Compare the words with those on the other device, and answer there. Stopped in the middle, the same command goes
    on where it was, or says that a new code is needed.

    Example:
      coterie device link coterie://chat.example.org:7443/link/…
    """
    from coterie.cli.unlock import unlock_new
    from coterie.trust.link import parse_link_code_untrusted

    code = sys.stdin.readline(LONGEST_CODE).strip() if code == "-" else code
    parse_link_code_untrusted(code)
    unlock = unlock_new(here)
    from coterie.client.device import system_clock
    from coterie.client.linking.new_device import link_device
    from coterie.client.rows import link_event_row

    async def follow_events() -> None:
        async for event in link_device(here.home, unlock, code, system_clock):
            row = link_event_row(event)
            if here.as_json:
                here.output.row(row)
            elif "words" in row:
                here.output.say(f"words     {' '.join(map(str, list_of(row, 'words')))}")
                here.output.say("compare them with those on the other device, and answer there")
            else:
                here.output.say(f"linked: this is your device {str(row['device'])[:12]}")

    asyncio.run(follow_events())


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
    device_commands.command("add")(device_command(add))
    device_commands.command("link")(device_command(link))
    device_commands.command("remove")(device_command(remove))
    passphrase_commands.command("change")(device_command(change))
    app.add_typer(device_commands, name="device")
    app.add_typer(passphrase_commands, name="passphrase")
