"""A refusal's name is for programs and the log; a person reads a sentence."""

import pytest

from coterie.trust.reasons import MALFORMED_ENTRY, NEWER_COTERIE, Reason, RegisterError, refusal_in_words


@pytest.mark.parametrize("reason", list(Reason))
def test_reason_that_a_server_names_reads_as_if_it_was_found_here(reason: Reason) -> None:
    assert refusal_in_words(reason.value) == RegisterError(reason).fact


@pytest.mark.parametrize("name", [MALFORMED_ENTRY, NEWER_COTERIE])
def test_entry_that_cannot_be_judged_is_named_in_words(name: str) -> None:
    assert name not in refusal_in_words(name)
    assert " " in refusal_in_words(name)


def test_reason_of_a_newer_server_stays_as_it_is() -> None:
    assert refusal_in_words("moon-not-full") == "moon-not-full"
