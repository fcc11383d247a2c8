"""Every kind of content between two real devices over a real server, in order and out of order."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from coterie.client import Device, MessageFacts, MessageState
from coterie.client.rooms import outgoing
from coterie.client.talking import MayNot, MessageGone, NoPoll, NothingToTakeBack
from coterie.content import Expiry, MimiId, encode_edit, encode_reaction, encode_retract, encode_text, mimi_id
from coterie.ids import MessageId, RoomId
from tests.client.newsroom import Newsroom, newsroom, notices

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 86_400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo") as gazette:
        yield gazette
        assert [device.alarms() for device in gazette.devices] == [[], []]


def seen(device: Device, message: MessageId) -> MessageFacts:
    return device.message(message)


def on_disk(device: Device, word: str) -> list[str]:
    """The tables of the open, decrypted store in which a word stands."""
    database = device._state.store.database
    tables = [row[0] for row in database.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return [
        table
        for table in tables
        for row in database.rows(f"SELECT * FROM {table}")
        if any(word.encode() in (value.encode() if isinstance(value, str) else bytes(value))
               for value in row if isinstance(value, str | bytes | memoryview))
    ]  # fmt: skip


async def test_a_reply_names_what_it_answers(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("replies", "Ada", "Bo")
    asked = await ada.send(room, "when?")
    await bo.sync()
    answer = await bo.reply(asked.message, "tomorrow")
    await ada.sync()
    for device in (ada, bo):
        assert (seen(device, answer.message).reply_to, seen(device, answer.message).text) == (asked.message, "tomorrow")


async def test_reactions_come_together_and_are_taken_back(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("reactions", "Ada", "Bo")
    message = (await ada.send(room, "done")).message
    await bo.sync()
    await bo.react(message, "👍")
    await bo.react(message, "👍")
    await ada.react(message, "👍")
    await gazette.sync("Bo", "Ada")
    people = (gazette.member("Bo"), gazette.member("Ada"))
    for device in (ada, bo):
        assert [(one.emoji, one.members) for one in seen(device, message).reactions] == [("👍", people)]
    await bo.react(message, "👍", remove=True)
    await ada.sync()
    for device in (ada, bo):
        assert [one.members for one in seen(device, message).reactions] == [(gazette.member("Ada"),)]
    with pytest.raises(NothingToTakeBack):
        await bo.react(message, "👍", remove=True)


async def test_an_edit_takes_the_place_of_the_text_on_both_sides_and_on_disk(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("edits", "Ada", "Bo")
    message = (await ada.send(room, "the sauce is zanzibar-one")).message
    await bo.sync()
    await ada.edit(message, "the source is zanzibar-two")
    await ada.edit(message, "the source is zanzibar-three")
    await gazette.sync("Bo", "Ada")
    for device in (ada, bo):
        assert seen(device, message).text == "the source is zanzibar-three"
        assert seen(device, message).edited
        assert len([one for one in device.messages(room) if one.kind == "text"]) == 1
        assert on_disk(device, "zanzibar-three")
        assert on_disk(device, "zanzibar-one") == on_disk(device, "zanzibar-two") == []


async def test_an_edit_by_somebody_else_is_nothing(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("not yours", "Ada", "Bo")
    message = (await ada.send(room, "mine")).message
    await bo.sync()
    with pytest.raises(MayNot):
        await bo.edit(message, "yours")
    forged = said_about(bo, room, lambda salt, named: encode_edit(salt, named, "quetzal"), message)
    assert forged
    await gazette.sync("Bo", "Ada")
    for device in (ada, bo):
        assert (seen(device, message).text, seen(device, message).edited) == ("mine", False)
        assert on_disk(device, "quetzal") == []


async def test_what_is_deleted_is_gone_for_everyone_and_takes_no_edit(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("deletions", "Ada", "Bo")
    message = (await bo.send(room, "regrettable-word")).message
    await ada.sync()
    await ada.react(message, "😬")
    await bo.sync()
    await bo.delete(message)
    # as a device that did not know of the deletion would
    said_about(bo, room, lambda salt, named: encode_edit(salt, named, "regrettable-again"), message)
    await gazette.sync("Bo", "Ada")
    for device in (ada, bo):
        facts = seen(device, message)
        assert (facts.text, facts.deleted, facts.edited, facts.reactions) == ("", True, False, ())
        assert on_disk(device, "regrettable") == []
        with pytest.raises(MessageGone):
            await device.reply(message, "what was it?")


async def test_an_admin_deletes_for_everyone_and_others_do_not(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("moderated", "Ada", "Bo")
    rude = (await bo.send(room, "rude")).message
    kept = (await ada.send(room, "kept")).message
    await gazette.sync()
    await ada.delete(rude)
    with pytest.raises(MayNot):
        await bo.delete(kept)
    said_about(bo, room, encode_retract, kept)
    await gazette.sync("Bo", "Ada")
    for device in (ada, bo):
        assert seen(device, rude).deleted
        assert not seen(device, kept).deleted


async def test_deleting_for_oneself_is_local(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("for me", "Ada", "Bo")
    message = (await bo.send(room, "only hidden-here")).message
    await ada.sync()
    await ada.delete(message, for_me=True)
    await gazette.sync("Ada", "Bo")
    assert [one.message for one in ada.messages(room)] == []
    assert on_disk(ada, "hidden-here") == []
    assert seen(bo, message).text == "only hidden-here"


async def test_what_never_went_out_is_taken_back_unsent(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("second thoughts", "Ada", "Bo")
    message = outgoing.queue_text(ada._state, room, "on-second-thought")
    assert (await ada.delete(message)).state is MessageState.UNSENT
    fading = outgoing.queue_text(ada._state, room, "too-late-word", expires=Expiry(True, 60))
    gazette.clocks["Ada"].ahead_ms += 61_000
    assert seen(ada, fading).expired
    gazette.clocks["Ada"].ahead_ms = 0
    assert on_disk(ada, "on-second-thought") == on_disk(ada, "too-late-word") == []
    await gazette.sync("Ada", "Bo")
    assert [one.message for one in bo.messages(room)] == []


async def test_what_is_said_before_its_message_counts_when_it_comes(gazette: Newsroom) -> None:
    """A member's device that had the message earlier speaks of it in the room before it is there."""
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("out of order", "Ada", "Bo")
    state = ada._state
    salt = MessageId(state.random(16))
    encoded = encode_text(salt, "late")
    named = mimi_id(state.own.coterie, state.own.member, room, encoded)
    queue(bo, room, lambda own: encode_reaction(own, named, "👀"))
    queue(ada, room, lambda own: encode_edit(own, named, "late, and corrected"))
    await gazette.sync("Bo", "Ada", "Bo")
    outgoing.queue_content(state, room, salt, encoded)
    await gazette.sync("Ada", "Bo")
    for device in (ada, bo):
        facts = seen(device, salt)
        assert (facts.text, facts.edited) == ("late, and corrected", True)
        assert [one.emoji for one in facts.reactions] == ["👀"]


async def test_mentions_name_members_whatever_they_are_called_then(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("mentions", "Ada", "Bo")
    message = (await ada.send(room, "thanks @Bo, not @Nobody")).message
    await bo.sync()
    for device in (ada, bo):
        assert seen(device, message).text == "thanks @Bo, not @Nobody"
        assert seen(device, message).mentions == (gazette.member("Bo"),)


async def test_pins_and_polls(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("polls", "Ada", "Bo")
    poll = (await ada.poll(room, "Tea?", ["yes", "no"])).message
    await bo.sync()
    await bo.pin(poll)
    await bo.vote(poll, [0])
    await ada.vote(poll, [0])
    await bo.vote(poll, [1])
    await gazette.sync("Ada", "Bo")
    for device in (ada, bo):
        facts = seen(device, poll)
        assert (facts.kind, facts.text, facts.pinned) == ("poll", "Tea?", True)
        expected = [("yes", (gazette.member("Ada"),)), ("no", (gazette.member("Bo"),))]
        assert [(option.text, option.members) for option in facts.options] == expected
    for wrong in ([2], [0, 1]):
        with pytest.raises(NoPoll):
            await ada.vote(poll, wrong)
    await ada.pin(poll, pinned=False)
    await bo.sync()
    assert not seen(bo, poll).pinned


async def test_no_receipts_are_sent_unless_the_room_says_so(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("quiet", "Ada", "Bo")
    message = (await ada.send(room, "seen?")).message
    await bo.sync()
    bo.mark_read(message)
    await gazette.sync("Bo", "Ada")
    assert seen(ada, message).state is MessageState.SENT


async def test_receipts_make_a_message_delivered_and_read(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("receipts", "Ada", "Bo")
    await ada.set_policy(room, receipts=True)
    assert notices(ada, room)[-1] == "you set for the room: receipts are sent"
    message = (await ada.send(room, "seen?")).message
    await gazette.sync("Bo", "Ada")
    assert seen(ada, message).state is MessageState.DELIVERED
    assert bo.room(room).unread == 1
    assert bo.mark_read(message) == 1
    assert bo.room(room).unread == 0
    await gazette.sync("Bo", "Ada")
    assert seen(ada, message).state is MessageState.READ
    assert seen(ada, message).read_by == (gazette.member("Bo"),)
    assert [one.kind for one in ada.messages(room)] == ["text"]


async def test_disappearing_messages_are_gone_on_both_sides_offline_too(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("fading", "Ada", "Bo")
    await ada.set_policy(room, expiry_seconds=7 * DAY)
    await gazette.sync("Bo")
    message = (await ada.send(room, "ephemeral-word")).message
    stays = (await bo.send(room, "for an hour", expires_seconds=3600)).message
    await gazette.sync("Ada", "Bo")
    assert bo.room(room).expiry_seconds == 7 * DAY
    assert seen(bo, message).expires_at is not None
    for name in ("Ada", "Bo"):
        gazette.close(name)
        gazette.clocks[name].ahead_ms += 7 * DAY * 1000 + 1000
        device = gazette.open(name)
        for one in (message, stays):
            assert (seen(device, one).text, seen(device, one).expired) == ("", True)
        assert on_disk(device, "ephemeral-word") == on_disk(device, "for an hour") == []
        gazette.clocks[name].ahead_ms = 0


async def test_the_notes_room_is_one_and_ones_own(gazette: Newsroom) -> None:
    bo = gazette["Bo"]
    notes = bo.notes()
    assert bo.notes() == notes
    assert notes.members == (gazette.member("Bo"),)
    await bo.send(notes.room, "milk")
    assert [one.text for one in bo.messages(notes.room)] == ["milk"]


async def test_mute_archive_and_drafts_stay_on_the_device(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("local", "Ada", "Bo")
    now = ada._state.now()
    ada.mute(room, 60)
    ada.archive(room)
    ada.draft(room, "dear B")
    muted_until = ada.room(room).muted_until
    assert muted_until is not None
    assert muted_until >= now + 60_000
    assert (ada.room(room).archived, ada.room(room).draft) == (True, "dear B")
    assert (bo.room(room).muted_until, bo.room(room).archived, bo.room(room).draft) == (None, False, "")
    gazette.clocks["Ada"].ahead_ms += 61_000
    assert ada.room(room).muted_until is None
    gazette.clocks["Ada"].ahead_ms = 0


def queue(device: Device, room: RoomId, encode: Callable[[MessageId], bytes]) -> MessageId:
    """Say what no command says."""
    salt = MessageId(device._state.random(16))
    outgoing.queue_content(device._state, room, salt, encode(salt))
    return salt


def said_about(
    device: Device, room: RoomId, encode: Callable[[MessageId, MimiId], bytes], message: MessageId
) -> MessageId:
    row = device._state.store.messages.get(message)
    assert row is not None
    return queue(device, room, lambda salt: encode(salt, MimiId(row.named)))
