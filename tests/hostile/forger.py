"""Entries of the register as an attacker signs them: with real keys of a stolen store, in disregard of every rule."""

from coterie.client.device import system_clock
from coterie.client.own import Own
from coterie.ids import Seed
from coterie.store.facts import Fact
from coterie.trust import Register, canonical
from coterie.trust.author import NewMemberKeys
from coterie.trust.entry import Body, encode_entry
from coterie.trust.keys import Purpose, SigningKey
from coterie.trust.kinds import Public
from tests.hostile.scene import Person

Signer = tuple[Purpose, SigningKey]


def stolen_keys(person: Person) -> NewMemberKeys:
    """All that a member's device has."""
    facts = person.state.store.facts
    seeds = (Fact.IDENTITY_SEED, Fact.DEVICE_SEED, Fact.LEAF_SEED)
    return NewMemberKeys(*(SigningKey(Seed(facts.need(fact))) for fact in seeds))


def entry_after(register: Register, public: Public, author: Own, *more: Signer, at: int | None = None) -> bytes:
    """An entry that follows `register`, in the name of a device and signed by it, whatever the rules say."""
    return signed_after(register, public, author.device, (Purpose.ENTRY_DEVICE, author.key), *more, at=at)


def signed_after(
    register: Register, public: Public, author: bytes, *signers: Signer, at: int | None = None, sealed: bytes = b""
) -> bytes:
    body = canonical.encode(
        Body(
            register.head.seq + 1,
            register.head.hash,
            max(register.at, system_clock()) if at is None else at,
            author,
            type(public).__name__,
            canonical.encode(public),
            sealed,
        )
    )
    return encode_entry(body, tuple(key.sign(purpose, register.coterie, body) for purpose, key in signers))
