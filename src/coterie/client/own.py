"""Who this device is: its ids and the keys it signs with, as the store has them."""

from dataclasses import dataclass, field

from coterie.ids import CoterieId, DeviceId, MemberId, PublicKey, Seed
from coterie.store.facts import Fact, Facts
from coterie.store.wrap import NoDevice
from coterie.trust.keys import SigningKey


@dataclass(frozen=True)
class Own:
    """`key` signs register entries, inbox entries and the handshake; `leaf_seed` is for MLS alone."""

    coterie: CoterieId
    member: MemberId
    device: DeviceId
    service_key: PublicKey
    addresses: tuple[str, ...]
    key: SigningKey = field(repr=False)
    leaf_seed: Seed = field(repr=False)


def load_own(facts: Facts) -> Own:
    """Raises NoDevice if this device never entered a coterie."""
    coterie = facts.get(Fact.COTERIE)
    if coterie is None:
        raise NoDevice("there is no finished device here", "`coterie found LINK` or `coterie join LINK` makes one")
    return Own(
        coterie=CoterieId(coterie),
        member=MemberId(facts.need(Fact.MEMBER)),
        device=DeviceId(facts.need(Fact.DEVICE)),
        service_key=PublicKey(facts.need(Fact.SERVICE_KEY)),
        addresses=tuple(facts.need(Fact.ADDRESSES).decode().split("\n")),
        key=SigningKey(Seed(facts.need(Fact.DEVICE_SEED))),
        leaf_seed=Seed(facts.need(Fact.LEAF_SEED)),
    )
