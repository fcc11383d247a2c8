"""The recovery phrase: shown, confirmed, written to a file; and coming back with it (docs/protocol/backup.md).

The identity key is on the device until its phrase is confirmed, and is never needed there afterwards.
"""

from coterie.client.recovery.coming_back import NobodysPhrase, OtherMember, Returning, come_back, look, restored_server
from coterie.client.recovery.phrase_file import PhraseFileBad, read_phrase_file, write_phrase_file

__all__ = [
    "NobodysPhrase",
    "OtherMember",
    "PhraseFileBad",
    "Returning",
    "come_back",
    "look",
    "read_phrase_file",
    "restored_server",
    "write_phrase_file",
]
