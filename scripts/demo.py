"""`make demo`: two people, one server, real messages, a `kill -9` in the middle; every step checked.

All of it is real: the server with its log engine, and each thing a person does is a process of the `coterie` command.
Ends by itself within half a minute. Exit code 0 only if every check held; otherwise it says which did not, and keeps
the folder. Usage: demo.py [COMMAND], another `coterie` command than the one beside this Python.
"""

import shutil
import signal
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from stage import CheckFailed, Ended, Person, Row, Server, Stage, wait_until
from transcript import Transcript

COTERIE: Final = "The Harbour Gazette"
ROOM: Final = "Night desk"
BURST: Final = (
    ("Ada", "page one is the harbour fire"),
    ("Bo", "two witnesses, both on record"),
    ("Ada", "headline in ten minutes"),
    ("Bo", "photographs are in"),
)
UNDER_WAY: Final = (("Ada", "print run confirmed"), ("Bo", "I am at the press"))
PUBLIC: Final = "MemberRemoved"
"""A word that the server must know: the kind of a register entry."""
SENT: Final = (0, "sent")
QUEUED: Final = (4, "queued")
"""Exit code and state of `send`: on the server's disk, or on the device's and going out by itself."""


class Demonstration:
    """Five scenes, in order; each raises CheckFailed where something does not hold."""

    def __init__(self, stage: Stage, transcript: Transcript, pool: ThreadPoolExecutor) -> None:
        self.stage = stage
        self.show = transcript
        self.pool = pool
        self.said: list[str] = []
        """Every text that somebody sent."""

    def play(self) -> None:
        self.open_server()
        self.found_and_invite()
        self.talk()
        self.kill_server()
        self.come_back()
        self.remove_bo()
        self.search_server()

    def check(self, holds: bool, what: str) -> None:
        if not holds:
            raise CheckFailed(what)
        self.show.held(what)

    def open_server(self) -> None:
        self.show.scene("A server")
        self.server = Server(self.stage)
        ready, status = self.server.ready, self.server.status()
        engine = status["engine"]
        self.check(
            bool(ready["founding_link"]) and status["coterie"] is None,
            f"it serves at {ready['url']} and offers a founding link",
        )
        self.check(
            engine["embedded"] is True and engine["pid"] is not None,
            f"its log engine runs inside: NATS JetStream {engine['version']}",
        )
        self.engine: int = engine["pid"]

    def found_and_invite(self) -> None:
        self.show.scene("Ada founds a coterie and invites Bo")
        self.ada, self.bo = Person(self.stage, "Ada Okafor"), Person(self.stage, "Bo Lindqvist")
        link = self.server.ready["founding_link"]
        (founder,) = self.ada.does("found", link, "--coterie", COTERIE, "--as", self.ada.name)
        self.show.held(f"Ada is the founder of “{COTERIE}”")
        self.ada.go_online()
        (invite,) = self.ada.does("invite", "create")
        self.show.held(f"a link for one person: {invite['link'][:38]}…")
        (joined,) = self.bo.does("join", invite["link"], "--as", self.bo.name)
        self.check(joined["coterie"] == founder["coterie"], "Bo is in: the link pinned server and history")
        self.bo.go_online()
        again = self.pool.submit(Person(self.stage, "Cleo").tries, "join", invite["link"], "--as", "Cleo")
        members = {row["name"]: row for row in self.bo.does("members")}
        self.check(
            set(members) == {self.ada.name, self.bo.name} and members[self.bo.name]["invited_by"] == founder["member"],
            "Bo's device verified for itself who invited whom",
        )
        self.check(again.result().code == 3, "the link, used a second time, is refused")

    def talk(self) -> None:
        self.show.scene(f"A room, “{ROOM}”, and messages both ways")
        for person in (self.ada, self.bo):
            assert person.online is not None
            person.online.first_row(f"{person.short}'s device")
        self.screens = {person.short: person.follow() for person in (self.ada, self.bo)}
        self.ada.does("room", "new", ROOM, "--with", self.bo.name)
        self.say(self.ada, "the story is out tonight")
        self.arrives(self.bo)
        self.say(self.bo, "reading it now")
        self.arrives(self.ada)
        self.same_on_both("each reads the other's words, and nothing else")

    def say(self, who: Person, text: str) -> None:
        (sent,) = who.does("send", ROOM, text)
        if sent["state"] != "sent":
            raise CheckFailed(f"{who.short}'s message was {sent['state']}, not sent")
        self.said.append(text)

    def arrives(self, reader: Person) -> None:
        text = self.said[-1]
        rows = self.screens[reader.short].wait_for([text], f"{reader.short}'s screen")
        self.show.said(next(row["from"] for row in rows if row["text"] == text).split()[0], text)

    def both_read(self) -> tuple[list[str], list[str]]:
        """What each device shows in the room."""
        ada, bo = self.pool.map(Person.texts, (self.ada, self.bo), (ROOM, ROOM))
        return ada, bo

    def same_on_both(self, what: str) -> list[str]:
        """What both see in the room; all that was said, each once, in one order."""
        ada, bo = self.both_read()
        if lost := sorted(set(self.said) - (set(ada) & set(bo))):
            raise CheckFailed(f"lost: {', '.join(lost)}")
        if surplus := sorted(text for text in {*ada, *bo} if max(ada.count(text), bo.count(text)) > 1):
            raise CheckFailed(f"repeated: {', '.join(surplus)}")
        if foreign := sorted({*ada, *bo} - set(self.said)):
            raise CheckFailed(f"never said: {', '.join(foreign)}")
        if ada != bo:
            raise CheckFailed("Ada and Bo see different orders")
        self.show.held(what)
        return ada

    def kill_server(self) -> None:
        self.show.scene("kill -9, with messages under way")
        people = {person.short: person for person in (self.ada, self.bo)}

        def send(who: str, text: str) -> Future[Ended]:
            return self.pool.submit(people[who].tries, "send", ROOM, text)

        sends = {(who, text): send(who, text) for who, text in BURST}
        wait_until(lambda: sum(ended.done() for ended in sends.values()) >= 2, "nothing of the burst was answered")
        # the engine is held still for a moment, so that the kill surely meets messages between network and disk
        self.stage.freeze(self.engine)
        sends |= {(who, text): send(who, text) for who, text in UNDER_WAY}
        wait_until(lambda: self.server.status()["waiting_bytes"] > 0, "no message was on its way to the disk")
        self.server.process.send(signal.SIGKILL)
        self.server.process.end()
        self.stage.thaw()
        wait(sends.values())
        self.said += [text for _, text in sends]
        for (who, text), ended in sends.items():
            self.show.said(who, text, ended.result().row.get("state", "lost"))
        fates = {said: _fate(ended.result()) for said, ended in sends.items()}
        answered = sum(fate == SENT for fate in fates.values())
        self.show.struck(f"the server was killed: {answered} had their answer, {len(sends) - answered} had not")
        self.check(
            set(fates.values()) <= {SENT, QUEUED} and all(fates[said] == QUEUED for said in UNDER_WAY),
            "what has no answer is called “queued”, never “sent”",
        )
        offline = self.ada.tries("send", ROOM, "written while it is gone")
        self.said.append("written while it is gone")
        self.show.said("Ada", self.said[-1], offline.row.get("state", "lost"))
        self.check(_fate(offline) == QUEUED, "one writes on; it waits on the device")

    def come_back(self) -> None:
        self.server.start()
        self.show.happened("the server is started again, on the same data")
        for name, screen in self.screens.items():
            screen.wait_for(self.said, f"{name}'s screen")
        resting = [self.pool.submit(_at_rest, person) for person in (self.ada, self.bo)]
        self.seen = self.same_on_both(f"all {len(self.said)} are here, each once, in one order for both")
        calm = [status.result() for status in resting]
        self.check(
            all(not row["alarms"] for row in calm) and calm[0]["register"] == calm[1]["register"],
            "nothing waits, no alarm: both hold the same register",
        )

    def remove_bo(self) -> None:
        self.show.scene("Ada removes Bo")
        (removed,) = self.ada.does("member", "remove", self.bo.name)
        self.check(removed["state"] == "removed", "the removal is in the register, signed by Ada's device")
        self.say(self.ada, "out of reach for Bo")
        self.show.said("Ada", self.said[-1], "sent")
        assert self.bo.online is not None
        self.check(self.bo.online.end() == 3, "Bo's device, online, was told and ended")
        again = self.pool.submit(self.bo.tries, "sync")
        ada = self.pool.submit(self.ada.texts, ROOM)
        self.check(again.result().code == 3, "it asks the server again, and is refused")
        bo = self.bo.texts(ROOM)
        self.check(bo == self.seen, "Bo keeps what he read, and has nothing of what came after")
        self.check(ada.result() == [*self.seen, self.said[-1]], "the room goes on without him")

    def search_server(self) -> None:
        self.show.scene("The server's folder, as a thief would search it")
        assert self.ada.online is not None
        self.check(self.ada.online.end(signal.SIGTERM) == 0, "Ada's device goes offline in order")
        self.check(self.server.process.end(signal.SIGTERM) == 0, "the server stops in order")
        secrets = [*self.said, ROOM, COTERIE, self.ada.name, self.bo.name]
        found, size = self.server.holds([*secrets, PUBLIC])
        if told := [word for word in found if word != PUBLIC]:
            raise CheckFailed(f"the server's folder holds {', '.join(told)}")
        # what is found shows that the search would have found the rest
        self.check(
            found == [PUBLIC],
            f"{size // 1024} KiB say that a member was removed; no name, none of {len(self.said)} texts",
        )


def _at_rest(person: Person) -> Row:
    """How the device is, once nothing waits to be sent and others have confirmed the coterie to it."""

    def status() -> Row:
        (row,) = person.does("status")
        return row if row["outbox"] == 0 and row["confirmed"] else {}

    return wait_until(status, f"{person.short}'s device does not come to rest")


def _fate(ended: Ended) -> tuple[int, str | None]:
    return ended.code, ended.row.get("state")


def main() -> int:
    command = sys.argv[1] if len(sys.argv) > 1 else str(Path(sys.executable).with_name("coterie"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    transcript = Transcript()
    transcript.title("Coterie", "two people, one server, real messages")
    folder = Path(tempfile.mkdtemp(prefix="coterie-demo-"))
    try:
        with ThreadPoolExecutor() as pool, Stage([command], folder) as stage:
            Demonstration(stage, transcript, pool).play()
    except (CheckFailed, OSError) as failure:
        transcript.failed(str(failure), str(folder))
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        transcript.struck("stopped")
        return 130
    shutil.rmtree(folder)
    transcript.summary()
    transcript.commands(
        "By hand, in two terminals (docs/guide/quickstart.md tells it slowly):",
        ".venv/bin/coterie serve --data ~/coterie-server --listen 127.0.0.1:7443",
        '.venv/bin/coterie found LINK --coterie "The Gazette" --as Ada',
        ".venv/bin/coterie --help",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
