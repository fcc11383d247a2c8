"""How the demonstration looks: scenes, what people say, and what was checked, with the time each took."""

import time
from typing import Final

from rich.console import Console
from rich.text import Text

COLOURS: Final = {"Ada": "cyan", "Bo": "magenta"}
MARKS: Final = {"sent": "dim", "queued": "yellow"}
WIDTH: Final = 96
SAID: Final = 36
"""Columns for what a person wrote, where something is said about it."""


class Transcript:
    """Prints as things happen; counts what was checked."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.width = min(self.console.width, WIDTH)
        self.checked = 0
        self._scene = 0
        self._began = self._lap = time.monotonic()

    def title(self, text: str, subtitle: str) -> None:
        self.console.print()
        self.console.print(Text(f"  {text}", style="bold"), Text(f" · {subtitle}", style="dim"), sep="")

    def scene(self, text: str) -> None:
        self._scene += 1
        self.console.print()
        self.console.print(Text(f"{self._scene:>3}  ", style="dim"), Text(text, style="bold"), sep="")

    def said(self, who: str, text: str, mark: str = "") -> None:
        """What a person wrote, and what became of it."""
        line = Text("     ")
        line.append(f"{who:<4}", style=COLOURS.get(who, ""))
        line.append("│ ", style="dim")
        line.append(f"{text:<{SAID}}" if mark else text)
        line.append(mark, style=MARKS.get(mark, ""))
        self.console.print(line)

    def held(self, what: str) -> None:
        """Something was checked, and it held."""
        self.checked += 1
        self._line(Text("✓ ", style="green"), what, f"{self._since():.1f} s")

    def happened(self, what: str) -> None:
        self._line(Text("· ", style="dim"), what, "", "dim")

    def struck(self, what: str) -> None:
        self._line(Text("✗ ", style="bold red"), what, "", "red")

    def failed(self, what: str, where: str) -> None:
        self.console.print()
        self.console.print(Text("  this did not hold: ", style="bold red"), Text(what), sep="", soft_wrap=True)
        self.console.print(Text(f"  everything is kept in {where}", style="dim"), soft_wrap=True)

    def summary(self) -> None:
        seconds = time.monotonic() - self._began
        line = Text("  ").append(f"{self.checked} checks held", style="bold green")
        line.append(f" in {seconds:.1f} s; nothing of it is left on this machine", style="dim")
        self.console.print()
        self.console.print(line)

    def commands(self, heading: str, *commands: str) -> None:
        self.console.print()
        self.console.print(f"  {heading}")
        for command in commands:
            self.console.print(Text(f"    {command}", style="bold"), soft_wrap=True)
        self.console.print()

    def _since(self) -> float:
        now = time.monotonic()
        took, self._lap = now - self._lap, now
        return took

    def _line(self, mark: Text, what: str, right: str, style: str = "") -> None:
        line = Text("     ") + mark + Text(what, style=style)
        line.append(" " * max(2, self.width - line.cell_len - len(right)) + right if right else "", style="dim")
        self.console.print(line, soft_wrap=True)
