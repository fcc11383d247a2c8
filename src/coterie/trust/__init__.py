"""Who belongs to a coterie, and how everybody finds the same answer (docs/protocol/register.md, invite.md).

Pure: no I/O, no clock, no randomness; imports nothing of Coterie but `ids` and `errors`. Bytes become an entry in
`entry`, an entry becomes membership in `apply` alone, `author` makes entries, `invite` makes and reads links.
"""

from coterie.trust.apply import admit, apply, founded_by, replay
from coterie.trust.reasons import NewerCoterie, Reason, RegisterError
from coterie.trust.register import Register

__all__ = ["NewerCoterie", "Reason", "Register", "RegisterError", "admit", "apply", "founded_by", "replay"]
