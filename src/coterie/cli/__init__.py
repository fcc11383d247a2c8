"""The command `coterie` (docs/guide/commands.md): words and JSON outside, one call of the client inside.

Decides nothing about trust, rooms or messages. Imports the client, and the server only inside `coterie serve`; what
is heavy is imported by the command that needs it, since most commands end within a second.
"""

from coterie.cli.main import main

__all__ = ["main"]
