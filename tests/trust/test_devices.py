"""Several devices of one member, and a member who begins again with the recovery phrase."""

import msgspec
import pytest

from coterie.trust import Reason, RegisterError, apply, author
from coterie.trust.author import OtherDevice
from coterie.trust.entry import decode_body_untrusted
from coterie.trust.keys import Purpose
from coterie.trust.kinds import MOST_DEVICES, DeviceAdded, IdentityRecovered
from tests.trust.cast import Draft, Person, Stage, by_device, draft, full_stage


def reason(stage: Stage, entry: Draft) -> Reason:
    with pytest.raises(RegisterError) as refused:
        apply(stage.state, entry.encoded)
    return refused.value.reason


@pytest.mark.parametrize("who", ["ada", "sten", "mo", "gus", "bo"])
def test_whoever_is_in_adds_a_device_of_their_own_with_the_same_powers(who: str) -> None:
    stage = full_stage()
    person = stage.people[who]
    laptop = stage.add_device(person, f"{who}'s laptop")
    assert [device.id for device in stage.state.devices_of(person.id)] == [person.device_id, laptop.device_id]
    assert stage.state.role(laptop.device_id) is stage.state.role(person.device_id)
    stage.remove_device(laptop, person)
    assert stage.state.device_in_force(laptop.device_id)
    assert not stage.state.device_in_force(person.device_id)


def test_nobody_adds_a_device_to_another_member() -> None:
    """The entry names no member: the new device is the author's."""
    stage = full_stage()
    laptop = stage.add_device(stage.people["mo"], "laptop")
    assert stage.state.device(laptop.device_id).member == stage.people["mo"].id


def test_member_has_eight_devices_at_most_and_removed_ones_do_not_count(stage: Stage) -> None:
    ada = stage.founder
    further = [stage.add_device(ada, f"ada {number}") for number in range(2, MOST_DEVICES + 1)]
    ninth = Person("ada 9")
    with pytest.raises(RegisterError) as refused:
        author.add_device(stage.state, ada.device, ninth.device_keys, now_ms=stage.now)
    assert refused.value.reason is Reason.TOO_MANY_DEVICES
    stage.remove_device(ada, further[3])
    stage.add_device(ada, "ada 9")


def test_device_of_a_removed_device_stays_in_force() -> None:
    """Who removes a stolen device sees in the register which others it brought in."""
    stage = full_stage()
    mo = stage.people["mo"]
    laptop = stage.add_device(mo, "laptop")
    stage.remove_device(stage.founder, mo)
    assert stage.state.device_in_force(laptop.device_id)


def test_old_and_new_device_sign_apart() -> None:
    stage = full_stage()
    mo, laptop = stage.people["mo"], Person("laptop")
    body = author.device_addition(
        stage.state, mo.device, laptop.device.public, laptop.keys.leaf.public, now_ms=stage.now
    )
    signatures = author.countersign(body, stage.state.coterie, mo.device_id, laptop.device_keys)
    entry = author.with_countersignatures(stage.state, mo.device, body, signatures, now_ms=stage.now)
    assert entry == author.add_device(stage.state, mo.device, laptop.device_keys, now_ms=stage.now)
    assert apply(stage.state, entry).device_in_force(laptop.device_id)


def test_addition_that_was_overtaken_is_told_and_asked_for_again() -> None:
    stage = full_stage()
    mo, laptop = stage.people["mo"], Person("laptop")
    body = author.device_addition(
        stage.state, mo.device, laptop.device.public, laptop.keys.leaf.public, now_ms=stage.now
    )
    signatures = author.countersign(body, stage.state.coterie, mo.device_id, laptop.device_keys)
    stage.set_name(stage.founder, "Ada")
    with pytest.raises(RegisterError) as refused:
        author.with_countersignatures(stage.state, mo.device, body, signatures, now_ms=stage.now)
    assert refused.value.reason is Reason.NOT_NEXT


@pytest.mark.parametrize(
    "asked", ["another kind", "another device", "another leaf", "another author", "a seal", "no body"]
)
def test_new_device_signs_nothing_but_its_own_addition(asked: str) -> None:
    """Else whoever links could have it sign its own removal, or somebody else's device."""
    stage = full_stage()
    mo, laptop, thief = stage.people["mo"], Person("laptop"), Person("thief")
    body = author.device_addition(
        stage.state, mo.device, laptop.device.public, laptop.keys.leaf.public, now_ms=stage.now
    )
    fields = decode_body_untrusted(body)
    device = DeviceAdded(device=laptop.device.public, leaf=laptop.keys.leaf.public)
    changes: dict[str, dict[str, object]] = {
        "another kind": {"kind": "Joined"},
        "another device": {"public": msgspec.msgpack.encode(msgspec.structs.replace(device, device=b"\1" * 32))},
        "another leaf": {"public": msgspec.msgpack.encode(msgspec.structs.replace(device, leaf=b"\1" * 32))},
        "another author": {"author": thief.device_id},
        "a seal": {"sealed": b"x"},
        "no body": {},
    }
    asked_for = msgspec.msgpack.encode(msgspec.structs.replace(fields, **changes[asked]))
    with pytest.raises(OtherDevice):
        author.countersign(
            b"\x90" if asked == "no body" else asked_for, stage.state.coterie, mo.device_id, laptop.device_keys
        )


# Recovery


@pytest.mark.parametrize("who", ["ada", "sten", "mo", "gus", "bo"])
def test_recovery_puts_one_new_device_in_the_place_of_all_others(who: str) -> None:
    stage = full_stage()
    person = stage.people[who]
    laptop = stage.add_device(person, "laptop")
    role = stage.state.role(person.device_id)
    anew = stage.recover(person, "anew")
    assert [device.id for device in stage.state.devices_of(person.id)] == [anew.device_id]
    assert stage.state.role(anew.device_id) is role
    for lost in (person, laptop):
        removal = stage.state.device(lost.device_id).removed
        assert removal is not None
        assert (removal.by, removal.seq) == (person.id, stage.state.head.seq)
    assert stage.state.rotation_due == anew.device_id


def test_recovery_is_for_one_whose_devices_are_all_gone_and_again_later() -> None:
    stage = full_stage()
    dan = stage.people["dan"]
    assert stage.state.devices_of(dan.id) == ()
    once = stage.recover(dan, "dan anew")
    again = stage.recover(dan, "dan once more")
    assert not stage.state.device_in_force(once.device_id)
    assert stage.state.device_in_force(again.device_id)


def recovery(stage: Stage, whose: Person, signed_by: Person) -> Draft:
    anew = Person("anew")
    public = IdentityRecovered(member=whose.id, device=anew.device.public, leaf=anew.keys.leaf.public)
    signers = [
        (Purpose.ENTRY_IDENTITY, signed_by.keys.identity),
        (Purpose.ENTRY_DEVICE, anew.device),
        (Purpose.ENTRY_LEAF, anew.keys.leaf),
    ]
    return draft(stage.state, public, anew.device_id, signers)


def test_phrase_of_a_removed_member_brings_nobody_back() -> None:
    stage = full_stage()
    rex = stage.people["rex"]
    assert reason(stage, recovery(stage, rex, rex)) is Reason.MEMBER_GONE


def test_nobody_recovers_another_not_even_the_founder() -> None:
    stage = full_stage()
    assert reason(stage, recovery(stage, stage.people["mo"], stage.founder)) is Reason.FORGED
    assert reason(stage, recovery(stage, Person("nobody"), Person("nobody"))) is Reason.UNKNOWN_MEMBER


def test_device_key_in_the_place_of_the_identity_recovers_nothing() -> None:
    """A stolen device has its own keys, and no identity key once the phrase is confirmed."""
    stage = full_stage()
    mo = stage.people["mo"]
    entry = recovery(stage, mo, mo)
    entry.signers[0] = (Purpose.ENTRY_IDENTITY, mo.device)
    assert reason(stage, entry) is Reason.FORGED


def test_identity_key_signs_no_other_entry() -> None:
    stage = full_stage()
    mo = stage.people["mo"]
    anew = Person("anew")
    added = DeviceAdded(device=anew.device.public, leaf=anew.keys.leaf.public)
    entry = by_device(stage.state, added, mo, (Purpose.ENTRY_DEVICE, anew.device), (Purpose.ENTRY_LEAF, anew.keys.leaf))
    apply(stage.state, entry.encoded)
    entry.signers[0] = (Purpose.ENTRY_DEVICE, mo.keys.identity)
    assert reason(stage, entry) is Reason.FORGED
