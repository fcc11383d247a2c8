"""The complete table of refusals: every kind × every fault in author, order, time, keys and signatures."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from coterie.ids import CoterieId, DeviceId, InviteId, PublicKey
from coterie.trust import NewerCoterie, Reason, Register, RegisterError, admit, apply, canonical, founded_by
from coterie.trust.apply import CLOCKS_APART_MS
from coterie.trust.coterie_key import key_hash
from coterie.trust.entry import MalformedEntry, encode_entry
from coterie.trust.keys import Purpose, SigningKey, device_id
from coterie.trust.kinds import (
    KINDS,
    Approved,
    DeviceAdded,
    DeviceRemoved,
    Founded,
    IdentityRecovered,
    InviteIssued,
    InviteRevoked,
    Joined,
    KeyRotated,
    MemberRemoved,
    PolicySet,
    ProfileSet,
    Proposed,
    Public,
    Role,
    RoleChanged,
    SeatLapsed,
    SeatRenewed,
)
from tests.trust.cast import DAY, START, Draft, Person, Stage, by_device, coterie_key, draft, full_stage, key

SMALL_ORDER = bytes(32)
NOT_CANONICAL = (2**255 - 1).to_bytes(32, "little")


class Scene:
    """Everybody, and an open invite from Mo: what every kind can be tried on."""

    def __init__(self) -> None:
        self.stage: Stage = full_stage()
        self.people = self.stage.people
        self.invite: InviteId = self.stage.invite(self.people["mo"], "nan")
        self.proposal = self.stage.propose(self.people["sten"], PolicySet(quorum=3))
        self.state: Register = self.stage.state

    def honest(self, kind: str) -> Draft:
        ada, state, nan = self.people["ada"], self.state, Person("nan")
        if kind == "Founded":
            public = Founded(
                founding_key=key("founding").public,
                service_key=key("service").public,
                identity=nan.keys.identity.public,
                device=nan.device.public,
                leaf=nan.keys.leaf.public,
                key_hash=key_hash(coterie_key(0)),
            )
            return draft(None, public, nan.device_id, [(Purpose.ENTRY_FOUNDING, key("founding")), *newcomer(nan)])
        if kind == "Joined":
            joined = Joined(
                invite=self.invite,
                identity=nan.keys.identity.public,
                device=nan.device.public,
                leaf=nan.keys.leaf.public,
            )
            return draft(state, joined, nan.device_id, [(Purpose.ENTRY_INVITE, key("invite nan")), *newcomer(nan)])
        if kind == "InviteIssued":
            issued = InviteIssued(invite_key=key("invite oz").public, role=Role.MEMBER, seat=60, expires_at=START + DAY)
            return by_device(state, issued, ada, (Purpose.ENTRY_INVITE, key("invite oz")))
        if kind == "DeviceAdded":
            added = DeviceAdded(device=nan.device.public, leaf=nan.keys.leaf.public)
            return by_device(state, added, self.people["gus"], *newcomer(nan)[1:])
        if kind == "IdentityRecovered":
            mo = self.people["mo"]
            recovered = IdentityRecovered(member=mo.id, device=nan.device.public, leaf=nan.keys.leaf.public)
            signers = [(Purpose.ENTRY_IDENTITY, mo.keys.identity), *newcomer(nan)[1:]]
            return draft(state, recovered, nan.device_id, signers)
        plain: dict[str, Public] = {
            "InviteRevoked": InviteRevoked(invite=self.invite),
            "ProfileSet": ProfileSet(),
            "DeviceRemoved": DeviceRemoved(device=self.people["mo"].device_id),
            "MemberRemoved": MemberRemoved(member=self.people["mo"].id),
            "SeatRenewed": SeatRenewed(member=self.people["mo"].id, expires_at=START + DAY),
            "SeatLapsed": SeatLapsed(member=self.people["mo"].id),
            "RoleChanged": RoleChanged(member=self.people["mo"].id, role=Role.GUEST),
            "PolicySet": PolicySet(quorum=2),
            "Proposed": Proposed(kind="PolicySet", public=canonical.encode(PolicySet(quorum=2))),
            "Approved": Approved(proposal=self.proposal),
            "KeyRotated": KeyRotated(generation=state.generation + 1, key_hash=b"\7" * 32),
        }
        entry = by_device(state, plain[kind], ada)
        # Seats on the stage are an hour long.
        return replace(entry, at=state.at + 20 * DAY) if kind == "SeatLapsed" else entry

    def before(self, kind: str) -> Register | None:
        return None if kind == "Founded" else self.state


def newcomer(who: Person) -> list[tuple[Purpose, SigningKey]]:
    keys = who.keys
    return [
        (Purpose.ENTRY_IDENTITY, keys.identity),
        (Purpose.ENTRY_DEVICE, keys.device),
        (Purpose.ENTRY_LEAF, keys.leaf),
    ]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def refusal(state: Register | None, entry: bytes) -> Reason:
    with pytest.raises(RegisterError) as refused:
        apply(state, entry)
    assert refused.value.fact
    assert refused.value.hint
    return refused.value.reason


NEWCOMERS = ("Founded", "Joined", "IdentityRecovered")
SIGNATURES = {"Founded": 4, "Joined": 4, "InviteIssued": 2, "DeviceAdded": 3, "IdentityRecovered": 3}
KEY_FIELDS = {
    "Founded": ("founding_key", "service_key", "identity", "device", "leaf"),
    "InviteIssued": ("invite_key",),
    "Joined": ("identity", "device", "leaf"),
    "DeviceAdded": ("device", "leaf"),
    "IdentityRecovered": ("device", "leaf"),
}

every_kind = pytest.mark.parametrize("kind", list(KINDS))
every_later_kind = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "Founded"])
every_signature = pytest.mark.parametrize(
    ("kind", "position"), [(kind, position) for kind in KINDS for position in range(SIGNATURES.get(kind, 1))]
)
KEY_PAIRS = [(kind, field) for kind in KEY_FIELDS for field in KEY_FIELDS[kind]]
every_key = pytest.mark.parametrize(("kind", "field"), KEY_PAIRS)


@every_kind
def test_honest_entry_of_each_kind_is_accepted(scene: Scene, kind: str) -> None:
    entry = scene.honest(kind)
    following = apply(scene.before(kind), entry.encoded)
    assert (following.head.seq, following.at) == (entry.seq, entry.at)


# Order and time


@every_kind
@pytest.mark.parametrize("step", [-1, 1, 1000])
def test_entry_out_of_order_is_refused(scene: Scene, kind: str, step: int) -> None:
    honest = scene.honest(kind)
    moved = replace(honest, seq=abs(honest.seq + step) or 2)
    assert refusal(scene.before(kind), moved.encoded) is Reason.NOT_NEXT


@every_kind
def test_entry_that_continues_another_history_is_refused(scene: Scene, kind: str) -> None:
    assert refusal(scene.before(kind), replace(scene.honest(kind), prev=b"\1" * 32).encoded) is Reason.OTHER_HISTORY


@every_later_kind
def test_entry_older_than_the_one_before_is_refused(scene: Scene, kind: str) -> None:
    assert refusal(scene.state, replace(scene.honest(kind), at=scene.state.at - 1).encoded) is Reason.TIME_WENT_BACK


@every_kind
def test_entry_is_not_accepted_a_second_time(scene: Scene, kind: str) -> None:
    entry = scene.honest(kind).encoded
    following = apply(scene.before(kind), entry)
    assert refusal(following, entry) is (Reason.ALREADY_FOUNDED if kind == "Founded" else Reason.NOT_NEXT)


@every_later_kind
def test_nothing_comes_before_the_founding(scene: Scene, kind: str) -> None:
    assert refusal(None, scene.honest(kind).encoded) is Reason.NOT_FOUNDED


def test_second_founding_is_refused(scene: Scene) -> None:
    assert refusal(scene.state, scene.honest("Founded").encoded) is Reason.ALREADY_FOUNDED


# Authors


@every_later_kind
def test_author_whom_nobody_knows_is_refused(scene: Scene, kind: str) -> None:
    expected = Reason.NOT_THE_NEW_DEVICE if kind in NEWCOMERS else Reason.UNKNOWN_AUTHOR
    assert refusal(scene.state, replace(scene.honest(kind), author=DeviceId(b"\1" * 16)).encoded) is expected


@every_kind
@pytest.mark.parametrize("other", ["sten", "mo"])
def test_entry_in_the_name_of_another_device_is_refused(scene: Scene, kind: str, other: str) -> None:
    expected = Reason.NOT_THE_NEW_DEVICE if kind in NEWCOMERS else Reason.FORGED
    forged = replace(scene.honest(kind), author=scene.people[other].device_id)
    assert refusal(scene.before(kind), forged.encoded) is expected


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in NEWCOMERS])
@pytest.mark.parametrize("who", ["rex", "dan"])
def test_removed_member_and_removed_device_sign_nothing_any_more(scene: Scene, kind: str, who: str) -> None:
    """Rex was removed as a member, Dan's device was: both still hold every key."""
    person, honest = scene.people[who], scene.honest(kind)
    signers = [(Purpose.ENTRY_DEVICE, person.device), *honest.signers[1:]]
    late = replace(honest, author=person.device_id, signers=signers)
    assert refusal(scene.state, late.encoded) is Reason.AUTHOR_REMOVED


# Signatures


@every_signature
def test_signature_by_another_key_is_forged(scene: Scene, kind: str, position: int) -> None:
    honest = scene.honest(kind)
    purpose, _ = honest.signers[position]
    honest.signers[position] = (purpose, key("somebody else"))
    assert refusal(scene.before(kind), honest.encoded) is Reason.FORGED


@every_signature
@pytest.mark.parametrize("purpose", list(Purpose))
def test_signature_for_another_purpose_is_forged(scene: Scene, kind: str, position: int, purpose: Purpose) -> None:
    honest = scene.honest(kind)
    right, signer = honest.signers[position]
    honest.signers[position] = (purpose, signer)
    if purpose is right:
        apply(scene.before(kind), honest.encoded)
    else:
        assert refusal(scene.before(kind), honest.encoded) is Reason.FORGED


@every_signature
def test_signature_with_a_flipped_bit_is_forged(scene: Scene, kind: str, position: int) -> None:
    honest = scene.honest(kind)
    signatures = honest.signatures
    signatures[position] = signatures[position][:-2] + bytes([signatures[position][-2] ^ 4]) + signatures[position][-1:]
    assert refusal(scene.before(kind), encode_entry(honest.body, tuple(signatures))) is Reason.FORGED


@every_signature
def test_missing_signature_is_refused(scene: Scene, kind: str, position: int) -> None:
    honest = scene.honest(kind)
    del honest.signers[position]
    assert refusal(scene.before(kind), honest.encoded) is Reason.WRONG_SIGNATURES


@every_kind
def test_superfluous_signature_is_refused(scene: Scene, kind: str) -> None:
    honest = scene.honest(kind)
    honest.signers.append(honest.signers[0])
    assert refusal(scene.before(kind), honest.encoded) is Reason.WRONG_SIGNATURES


@pytest.mark.parametrize("kind", list(SIGNATURES))
def test_signatures_in_another_order_are_forged(scene: Scene, kind: str) -> None:
    honest = scene.honest(kind)
    honest.signers.reverse()
    assert refusal(scene.before(kind), honest.encoded) is Reason.FORGED


@every_kind
def test_entry_replayed_from_another_coterie_is_forged(scene: Scene, kind: str) -> None:
    elsewhere = replace(scene.honest(kind), coterie=CoterieId(b"\1" * 32))
    assert refusal(scene.before(kind), elsewhere.encoded) is Reason.FORGED


@every_kind
def test_changed_seal_breaks_the_signature(scene: Scene, kind: str) -> None:
    honest = scene.honest(kind)
    signatures = tuple(honest.signatures)
    assert refusal(scene.before(kind), encode_entry(replace(honest, sealed=b"x").body, signatures)) is Reason.FORGED


@every_kind
def test_garbage_in_the_seal_changes_no_verdict(scene: Scene, kind: str) -> None:
    garbage = replace(scene.honest(kind), sealed=b"\xff" * 300)
    assert apply(scene.before(kind), garbage.encoded).head.seq == garbage.seq


# Keys


def with_key(honest: Draft, field: str, value: bytes) -> Draft:
    assert not isinstance(honest.public, bytes)
    changed = replace(honest, public=msgspec.structs.replace(honest.public, **{field: value}))
    if field == "device" and not isinstance(changed.public, (DeviceAdded, DeviceRemoved)):
        changed = replace(changed, author=device_id(PublicKey(value)))
    return changed


@every_key
@pytest.mark.parametrize("bad", [SMALL_ORDER, NOT_CANONICAL, (1).to_bytes(32, "little")])
def test_key_that_no_one_can_own_is_refused(scene: Scene, kind: str, field: str, bad: bytes) -> None:
    assert refusal(scene.before(kind), with_key(scene.honest(kind), field, bad).encoded) is Reason.BAD_KEY


@pytest.mark.parametrize(("kind", "field"), [pair for pair in KEY_PAIRS if pair[0] != "Founded"])
@pytest.mark.parametrize(
    "used",
    ["founding", "service", "ada identity", "mo device", "gus leaf", "rex device", "invite nan", "invite mo"],
)
def test_key_of_anybody_and_of_any_sort_is_used_once_for_ever(scene: Scene, kind: str, field: str, used: str) -> None:
    """Another's identity, device, leaf, spent or open invite, the founding or the service key: even of the removed."""
    stolen = with_key(scene.honest(kind), field, key(used).public)
    assert refusal(scene.state, stolen.encoded) is Reason.KEY_USED


@pytest.mark.parametrize("kind", NEWCOMERS)
def test_one_key_in_two_places_is_refused(scene: Scene, kind: str) -> None:
    honest = scene.honest(kind)
    twice = with_key(honest, "leaf", key("nan device").public)
    assert refusal(scene.before(kind), twice.encoded) is Reason.KEY_USED


@every_key
def test_key_of_another_cannot_be_registered_without_owning_it(scene: Scene, kind: str, field: str) -> None:
    """The thief knows the public key only, so signs with a key of their own."""
    if field == "service_key":
        return
    taken = with_key(scene.honest(kind), field, key("victim").public)
    assert refusal(scene.before(kind), taken.encoded) is Reason.FORGED


@pytest.mark.parametrize("kind", ["DeviceAdded", "IdentityRecovered"])
def test_device_id_that_is_taken_is_refused_for_a_further_device(scene: Scene, kind: str) -> None:
    state, nan = scene.state, Person("nan")
    state = replace(state, devices=state.devices.set(nan.device_id, state.device(scene.people["bo"].device_id)))
    assert refusal(state, scene.honest(kind).encoded) is Reason.KEY_USED


@pytest.mark.parametrize("collides", ["member", "device"])
def test_id_that_is_taken_is_refused_though_the_key_is_new(scene: Scene, collides: str) -> None:
    """Two keys of one 16-byte id take 2⁶⁴ tries to find, so one is put into the state by hand."""
    state, mo, nan = scene.state, scene.people["mo"], Person("nan")
    if collides == "member":
        state = replace(state, members=state.members.set(nan.id, state.member(mo.id)))
    else:
        state = replace(state, devices=state.devices.set(nan.device_id, state.device(mo.device_id)))
    assert refusal(state, scene.honest("Joined").encoded) is Reason.KEY_USED


# Unknown and malformed


@pytest.mark.parametrize("public", [b"\x80", b"", b"\xff garbage", b"\x91" * 8000])
def test_unknown_kind_asks_for_a_newer_coterie_and_is_never_refused(scene: Scene, public: bytes) -> None:
    newer = replace(scene.honest("ProfileSet"), kind="Abdicated", public=public)
    with pytest.raises(NewerCoterie, match="Abdicated"):
        apply(scene.state, newer.encoded)
    with pytest.raises(NewerCoterie):
        admit(scene.state, newer.encoded, START)


def test_unknown_kind_that_is_not_next_stops_nobody(scene: Scene) -> None:
    newer = replace(scene.honest("ProfileSet"), kind="Abdicated", public=b"\x80", prev=b"\1" * 32)
    assert refusal(scene.state, newer.encoded) is Reason.OTHER_HISTORY


@every_kind
@pytest.mark.parametrize("fault", ["field added", "field missing", "wrong type", "behind", "not a map", "empty"])
def test_malformed_public_part_is_refused(scene: Scene, kind: str, fault: str) -> None:
    honest = scene.honest(kind)
    assert not isinstance(honest.public, bytes)
    fields = msgspec.to_builtins(honest.public, builtin_types=(bytes,))
    first = next(iter(fields), "none")
    public = {
        "field added": canonical.encode({**fields, "more": 1}),
        "field missing": canonical.encode({name: fields[name] for name in fields if name != first}),
        "wrong type": canonical.encode({**fields, first: [1]}),
        "behind": canonical.encode(fields) + b"\0",
        "not a map": canonical.encode(list(fields.values())),
        "empty": b"",
    }[fault]
    if public == canonical.encode(honest.public):
        assert kind == "ProfileSet"
        return
    with pytest.raises(MalformedEntry):
        apply(scene.before(kind), replace(honest, public=public, kind=kind).encoded)


# What the state says


def joining(stage: Stage, invite: InviteId, at: int) -> Draft:
    nan = Person("nan")
    joined = Joined(
        invite=invite, identity=nan.keys.identity.public, device=nan.device.public, leaf=nan.keys.leaf.public
    )
    signers = [(Purpose.ENTRY_INVITE, key("invite nan")), *newcomer(nan)]
    return replace(draft(stage.state, joined, nan.device_id, signers), at=at)


def stage_with_invite(by: str, role: Role = Role.MEMBER) -> tuple[Stage, InviteId]:
    stage = full_stage()
    return stage, stage.invite(stage.people[by], "nan", role)


@pytest.mark.parametrize(("after_expiry", "accepted"), [(-1, True), (0, True), (1, False), (10 * DAY, False)])
def test_invite_is_good_up_to_its_expiry(scene: Scene, after_expiry: int, accepted: bool) -> None:
    stage, invite = stage_with_invite("mo")
    entry = joining(stage, invite, stage.state.invite(invite).expires_at + after_expiry).encoded
    if accepted:
        assert apply(stage.state, entry).invite(invite).state == "spent"
    else:
        assert refusal(stage.state, entry) is Reason.INVITE_EXPIRED


def test_invite_that_nobody_issued_is_refused(scene: Scene) -> None:
    stage, _ = stage_with_invite("mo")
    assert refusal(stage.state, joining(stage, InviteId(b"\1" * 32), START).encoded) is Reason.UNKNOWN_INVITE


def test_spent_invite_is_refused_even_with_new_keys(scene: Scene) -> None:
    stage, invite = stage_with_invite("mo")
    stage.join(invite, "nan")
    second = Person("second")
    joined = Joined(
        invite=invite, identity=second.keys.identity.public, device=second.device.public, leaf=second.keys.leaf.public
    )
    signers = [(Purpose.ENTRY_INVITE, key("invite nan")), *newcomer(second)]
    assert refusal(stage.state, draft(stage.state, joined, second.device_id, signers).encoded) is Reason.INVITE_SPENT
    assert refusal(stage.state, by_device(stage.state, InviteRevoked(invite=invite), stage.founder).encoded) is (
        Reason.INVITE_SPENT
    )


def test_revoked_invite_is_refused_and_not_revoked_again(scene: Scene) -> None:
    stage, invite = stage_with_invite("mo")
    stage.revoke(stage.people["mo"], invite)
    assert refusal(stage.state, joining(stage, invite, START).encoded) is Reason.INVITE_REVOKED
    again = by_device(stage.state, InviteRevoked(invite=invite), stage.founder)
    assert refusal(stage.state, again.encoded) is Reason.INVITE_REVOKED


def test_expired_invite_can_still_be_revoked() -> None:
    stage, invite = stage_with_invite("mo")
    stage.later(30 * DAY)
    stage.revoke(stage.people["sten"], invite)
    assert stage.state.invite(invite).state == "revoked"


def test_invite_dies_with_its_inviters_membership_but_not_with_their_device(scene: Scene) -> None:
    stage, invite = stage_with_invite("mo")
    stage.remove_device(stage.people["mo"], stage.people["mo"])
    apply(stage.state, joining(stage, invite, START).encoded)
    stage.remove_member(stage.founder, stage.people["mo"])
    assert refusal(stage.state, joining(stage, invite, START).encoded) is Reason.INVITER_GONE


@pytest.mark.parametrize(("from_now", "accepted"), [(-1, False), (0, False), (1, True)])
def test_invite_cannot_be_born_expired(scene: Scene, from_now: int, accepted: bool) -> None:
    honest = scene.honest("InviteIssued")
    assert not isinstance(honest.public, bytes)
    entry = replace(honest, public=msgspec.structs.replace(honest.public, expires_at=honest.at + from_now)).encoded
    if accepted:
        apply(scene.state, entry)
    else:
        assert refusal(scene.state, entry) is Reason.BORN_EXPIRED


def test_what_is_unknown_or_gone_is_not_removed_again(scene: Scene) -> None:
    state, ada, rex, dan = scene.state, scene.people["ada"], scene.people["rex"], scene.people["dan"]
    for public, reason in [
        (MemberRemoved(member=b"\1" * 16), Reason.UNKNOWN_MEMBER),
        (DeviceRemoved(device=b"\1" * 16), Reason.UNKNOWN_DEVICE),
        (InviteRevoked(invite=b"\1" * 32), Reason.UNKNOWN_INVITE),
        (MemberRemoved(member=rex.id), Reason.MEMBER_GONE),
        (DeviceRemoved(device=rex.device_id), Reason.DEVICE_GONE),
        (DeviceRemoved(device=dan.device_id), Reason.DEVICE_GONE),
    ]:
        assert refusal(state, by_device(state, public, ada).encoded) is reason


@pytest.mark.parametrize("step", [-1, 0, 2, 100])
def test_generation_of_the_coterie_key_counts_by_one(scene: Scene, step: int) -> None:
    rotated = KeyRotated(generation=scene.state.generation + step, key_hash=b"\7" * 32)
    assert refusal(scene.state, by_device(scene.state, rotated, scene.people["ada"]).encoded) is Reason.WRONG_GENERATION


@pytest.mark.parametrize("generation", [0, 1, 2])
def test_former_coterie_key_does_not_come_back(scene: Scene, generation: int) -> None:
    back = KeyRotated(generation=scene.state.generation + 1, key_hash=key_hash(coterie_key(generation)))
    assert refusal(scene.state, by_device(scene.state, back, scene.people["ada"]).encoded) is Reason.KEY_USED


# Clocks


@every_kind
def test_only_admit_looks_at_the_clock(scene: Scene, kind: str) -> None:
    entry = scene.honest(kind)
    following = apply(scene.before(kind), entry.encoded)
    for away in (-CLOCKS_APART_MS, 0, CLOCKS_APART_MS):
        assert admit(scene.before(kind), entry.encoded, entry.at + away) == following
    for away in (-CLOCKS_APART_MS - 1, CLOCKS_APART_MS + 1, -DAY, DAY):
        with pytest.raises(RegisterError) as refused:
            admit(scene.before(kind), entry.encoded, entry.at + away)
        assert refused.value.reason is Reason.CLOCK_APART


def test_entry_from_2099_is_not_admitted_whatever_it_says(scene: Scene) -> None:
    future = replace(scene.honest("ProfileSet"), at=4_070_908_800_000)
    with pytest.raises(RegisterError) as refused:
        admit(scene.state, future.encoded, START)
    assert refused.value.reason is Reason.CLOCK_APART


# Foundings


@pytest.mark.parametrize(
    ("founding", "service"), [("founding", "other"), ("other", "service"), ("service", "founding")]
)
def test_founding_by_another_link_or_for_another_service_is_refused(scene: Scene, founding: str, service: str) -> None:
    register = apply(None, scene.honest("Founded").encoded)
    assert founded_by(register, key("founding").public, key("service").public) is register
    with pytest.raises(RegisterError) as refused:
        founded_by(register, key(founding).public, key(service).public)
    assert refused.value.reason is Reason.OTHER_FOUNDING


def test_every_reason_has_words_and_a_test_that_provokes_it() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    for reason in Reason:
        assert RegisterError(reason).fact
        assert RegisterError(reason).hint
        assert f"Reason.{reason.name}" in tests
