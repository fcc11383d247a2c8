"""The rules over a real view: the same log gives the same answers, on every hub, every time."""
