"""What each kind of alarm means, and what a person does about it: the words of `coterie alarm show`. Pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Guide:
    """`means` is a sentence or two; `steps` are done in order."""

    means: str
    steps: tuple[str, ...]


_COMPARE: Final = "Call, or meet, the people named above: not through this coterie's server."
_RESOLVE: Final = "When it is cleared up, resolve the alarm; if it happens again, there is a new one."
_TELL: Final = "Tell a steward, and whoever runs the server."

GUIDES: Final[dict[str, Guide]] = {
    "history": Guide(
        "When this device was linked, another device of yours sent it your history. One part could not be fetched or "
        "does not open. The rest of the history, and all that is new, is here.",
        (
            "To get it again: remove this device on the other one (`coterie device remove`) and link it anew.",
            _RESOLVE,
        ),
    ),
    "forked register": Guide(
        "Either the server shows different lists of members to different people, or the other device claims what is "
        "not so. One claim does not prove which.",
        (
            _COMPARE,
            "Compare the register's number and hash that `coterie status` shows on both sides.",
            "If they differ at the same number, the server lies to one of you: send nothing that matters through it.",
            "If they are equal, the other device is faulty or dishonest: a steward may remove it.",
            _RESOLVE,
        ),
    ),
    "register withheld": Guide(
        "A member knows entries of the register that the server does not show to this device: perhaps a removal.",
        (_COMPARE, "Compare what `coterie members` shows on both sides.", _TELL, _RESOLVE),
    ),
    "register": Guide(
        "What the server says about the register contradicts what this device has verified. Nothing was taken from it.",
        ("Ask a steward over another channel before you trust this server again.", _TELL, _RESOLVE),
    ),
    "split queue": Guide(
        "The server may have dropped, inserted or moved messages for one of you, or the other device claims what is "
        "not so. The server signs nothing about rooms, so that nobody can prove which.",
        (_COMPARE, "Compare the last messages of the room.", _TELL, _RESOLVE),
    ),
    "room split": Guide(
        "Devices in one room were shown different changes at the same place: there are two branches of the room.",
        (_COMPARE, "An admin carries the room on: `coterie room successor`.", _TELL, _RESOLVE),
    ),
    "withheld": Guide(
        "The server leaves out a message of a room. What comes after it waits here, in order.",
        ("Sync again.", _TELL, _RESOLVE),
    ),
    "server behind": Guide(
        "The server has less than it showed before: it was set back, or it lies. What this device read is kept.",
        (_TELL, "Ask whether a backup was restored, and of when.", _RESOLVE),
    ),
    "server restored": Guide(
        "Whoever runs the server restored it from a backup, and it says so. What was sent since may be missing.",
        ("Ask whoever runs the server whether that is so.", "Send again what others did not get.", _RESOLVE),
    ),
    "server refused": Guide(
        "The server did not do something that this device needs. It is tried again by itself.",
        ("Wait a minute, then sync.", _TELL, _RESOLVE),
    ),
    "unreadable entry": Guide(
        "Somebody in the room, or the server, sent what no app makes. It was passed over; nothing else is missing.",
        ("If it goes on, tell an admin of the room.", _RESOLVE),
    ),
    "room stopped": Guide(
        "This room does not go on while this device is connected; the other rooms do.",
        ("Sync again.", "If that does not help, `coterie room rejoin` asks the others to add you again.", _RESOLVE),
    ),
    "store copied": Guide(
        "Another copy of this device's files was in use. Its rooms are asked for anew, so that no key is used twice.",
        (
            "If you restored a backup or copied the folder yourself: stop using the other copy.",
            "If you did not: somebody has your files and your passphrase. A steward removes this device; join anew.",
            _RESOLVE,
        ),
    ),
    "clock": Guide(
        "This device's clock and the server's are more than five minutes apart. One of them is wrong.",
        ("Set the clock of this device.", "If it is right, tell whoever runs the server."),
    ),
    "bundle": Guide(
        "The server gave keys for a device that are not that device's own. Nothing was sent to them.",
        (_TELL, _RESOLVE),
    ),
    "invitation": Guide(
        "An invitation to a room was refused, because it does not fit the register or is damaged.",
        ("Ask who invited you to do it again.", "If it happens again, tell a steward.", _RESOLVE),
    ),
    "inbox": Guide(
        "An entry that somebody sent to this device could not be used. The others were.",
        ("If it goes on, tell a steward.", _RESOLVE),
    ),
    "coterie key": Guide(
        "Somebody sent a key for the names that is not the one of the register. It was not taken.",
        ("Tell a steward.", _RESOLVE),
    ),
    "chore": Guide(
        "Something that this device does by itself was refused. It is tried again, later each time.",
        ("Sync again.", _TELL, _RESOLVE),
    ),
}
"""By the alarm's kind."""

UNKNOWN: Final = Guide("An alarm that this version has no further words for.", (_TELL, _RESOLVE))


def guide_to(kind: str) -> Guide:
    return GUIDES.get(kind, UNKNOWN)
