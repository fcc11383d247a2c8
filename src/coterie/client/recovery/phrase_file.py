"""The recovery phrase in a file: words, and where the coterie is (docs/protocol/backup.md, "Phrase file").

Lines that begin with `#` are for people, one that begins with `coterie:` is the server link, the rest is the phrase.
"""

import os
from pathlib import Path
from typing import Final

from coterie.errors import CallerError
from coterie.trust.phrase import Phrase, written_down
from coterie.trust.server_link import ServerLink, parse_server_link_untrusted

LARGEST_FILE: Final = 64 * 1024
_HEADING: Final = """\
# The recovery phrase of a membership in Coterie. Whoever has these 24 words can take the membership over.
# Keep this where nobody else reads it, and not on the device itself.
#   coterie recover --phrase-file FILE      to come back with a new device; all others are removed
"""


class PhraseFileBad(CallerError):
    """It cannot be written, or read, or holds no phrase."""

    code = "phrase_file"


def write_phrase_file(path: Path, phrase: Phrase, server: ServerLink) -> None:
    """A new file of mode 0600; returns after it is on disk. Nothing is written over. Raises PhraseFileBad."""
    text = f"{_HEADING}{written_down(phrase.words)}\n{server.text}\n"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise PhraseFileBad(f"{path} is there already", "name a new file: nothing is written over") from None
    except OSError as error:
        raise PhraseFileBad(f"{path}: {error.strerror}", "name a file in a folder that you can write to") from None


def can_be_written(path: Path) -> None:
    """Raises PhraseFileBad if it is clear now that `write_phrase_file` would."""
    if path.exists():
        raise PhraseFileBad(f"{path} is there already", "name a new file: nothing is written over")
    if not os.access(path.absolute().parent, os.W_OK):
        raise PhraseFileBad(f"{path}: its folder cannot be written to", "name a file in a folder that you can write to")


def read_phrase_file(path: Path) -> tuple[Phrase, ServerLink | None]:
    """The phrase, and the server link if one stands there. Raises PhraseFileBad, WrongPhrase, WrongLink."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
        text = content.decode()
    except OSError as error:
        raise PhraseFileBad(f"{path}: {error.strerror}", "give the file that holds the recovery phrase") from None
    except UnicodeDecodeError:
        raise PhraseFileBad(f"{path} is not UTF-8 text", "give the file that holds the recovery phrase") from None
    if len(content) > LARGEST_FILE:
        raise PhraseFileBad(f"{path} is too long for a recovery phrase", "give the file that holds the phrase")
    lines = [line.strip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    links = [line for line in lines if line.lower().startswith("coterie:")]
    phrase = Phrase.read_untrusted("\n".join(line for line in lines if line not in links))
    return phrase, parse_server_link_untrusted(links[0]) if links else None
