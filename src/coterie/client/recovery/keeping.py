"""What a device does with the recovery phrase while it has it: show it, have it confirmed, and forget it."""

import contextlib
from collections.abc import Mapping

import coterie_mls

from coterie.client.state import DeviceState
from coterie.errors import RefusedError
from coterie.ids import Seed
from coterie.store.facts import Fact, Facts
from coterie.trust.phrase import Phrase, backup_key_seed, check_words
from coterie.trust.server_link import ServerLink


class PhraseGone(RefusedError):
    """It was confirmed, or this device never had it."""

    code = "phrase_gone"


def phrase_here(facts: Facts) -> bool:
    return facts.get(Fact.IDENTITY_SEED) is not None


def phrase_of(facts: Facts) -> Phrase:
    """Raises PhraseGone."""
    seed = facts.get(Fact.IDENTITY_SEED)
    if seed is None:
        raise PhraseGone(
            "the recovery phrase is not on this device any more", "it stands where you wrote it down, and nowhere else"
        )
    return Phrase.of_seed(Seed(seed))


def confirm_phrase(state: DeviceState, words: Mapping[int, str]) -> None:
    """The person has the phrase: `words`, by their place from 1 on, prove it. Returns after the identity key is off the
    disk. Raises PhraseGone, WrongPhrase (nothing has changed then)."""
    facts = state.store.facts
    phrase = phrase_of(facts)
    check_words(phrase, words)
    with state.groups.changing():
        facts.put(Fact.PHRASE_KEY, phrase_key(phrase))
        facts.forget(Fact.IDENTITY_SEED)
    state.store.database.wipe()
    state.changed()


def phrase_key(phrase: Phrase) -> bytes:
    """The public X-Wing key to which backups are sealed."""
    return coterie_mls.hpke_keypair(bytes(backup_key_seed(phrase.seed)))[1]


def backup_key(facts: Facts) -> bytes | None:
    """The same, as far as this device knows it: a device that was linked does not."""
    with contextlib.suppress(PhraseGone):
        return phrase_key(phrase_of(facts))
    return facts.get(Fact.PHRASE_KEY)


def server_link(state: DeviceState) -> ServerLink:
    """Where the coterie is, pinned to the register as it is here now."""
    return ServerLink.of(state.register.state, state.own.addresses)
