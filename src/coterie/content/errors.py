"""What is wrong with content: of others, and of what somebody here wants to send."""

from coterie.content.limits import TEXT_BYTES
from coterie.errors import CallerError, PeerError


class MalformedContent(PeerError):
    code = "malformed_content"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"a message's content is malformed: {why}", "it was not shown; its sender's program is at fault"
        )


class TextTooLong(CallerError):
    code = "text_too_long"

    def __init__(self, size: int, most: int = TEXT_BYTES) -> None:
        super().__init__(f"the text has {size} bytes; the most is {most}", "send it in parts")


class NotText(CallerError):
    """Surrogates: a terminal or an argument gave bytes that are not UTF-8."""

    code = "not_text"

    def __init__(self) -> None:
        super().__init__("the text holds bytes that are not UTF-8", "set the terminal to UTF-8")


class BadReaction(CallerError):
    code = "usage"

    def __init__(self) -> None:
        super().__init__("a reaction is one emoji, or a few characters without spaces", "for example 👍")


class BadPoll(CallerError):
    code = "usage"
