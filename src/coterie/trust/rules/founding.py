"""The first entry: a founder, a service, a key. There is no state before it."""

from immutables import Map

from coterie.ids import CoterieId, PublicKey
from coterie.trust.entry import DecodedEntry
from coterie.trust.heads import RegisterHead
from coterie.trust.keys import Purpose, member_id
from coterie.trust.kinds import Founded, PolicySet, Role
from coterie.trust.register import Device, Member, Register
from coterie.trust.rules.rule import Signers


def founding_keys(public: Founded) -> tuple[bytes, ...]:
    return (public.founding_key, public.service_key, public.identity, public.device, public.leaf)


def founding_signers(public: Founded) -> Signers:
    return (
        (Purpose.ENTRY_FOUNDING, public.founding_key),
        (Purpose.ENTRY_IDENTITY, public.identity),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def founded(entry: DecodedEntry, public: Founded) -> Register:
    founder = Member(
        id=member_id(PublicKey(public.identity)),
        role=Role.FOUNDER,
        identity=PublicKey(public.identity),
        invited_by=None,
        invite=None,
        joined_at=entry.at,
        seat_expires_at=None,
        devices=(entry.author,),
    )
    device = Device(entry.author, founder.id, PublicKey(public.device), PublicKey(public.leaf), entry.at)
    return Register(
        coterie=CoterieId(entry.hash),
        founding_key=PublicKey(public.founding_key),
        service_key=PublicKey(public.service_key),
        founder=founder.id,
        members=Map({founder.id: founder}),
        devices=Map({device.id: device}),
        invites=Map(),
        used=Map({key: entry.seq for key in (*founding_keys(public), public.key_hash)}),
        generation=0,
        key_hashes=Map({0: public.key_hash}),
        rotation_due=None,
        policy=PolicySet(),
        proposals=Map(),
        head=RegisterHead(entry.seq, entry.hash),
        at=entry.at,
    )
