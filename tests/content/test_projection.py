"""One view from one order: whatever arrives when, twice, in pieces, and with what is spent forgotten on the way."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from coterie.content import Edit, MimiId, Pin, Poll, Reaction, Retract, Text, Vote
from coterie.content.projection import NOTHING, About, Event, Order, Original, Shown, project
from coterie.ids import MemberId, MessageId

ADA, BO, CY = (MemberId(name * 16) for name in (b"a", b"b", b"c"))
SALT = MessageId(b"s" * 16)
TARGET = MimiId(b"\1" + b"t" * 31)
TEXT = Original(TARGET, ADA, Text(SALT, "first"))
POLL = Original(TARGET, ADA, Poll(SALT, "tea?", ("yes", "no", "later")))


def named(n: int) -> MimiId:
    return MimiId(b"\1" + n.to_bytes(31, "big"))


def event(n: int, author: MemberId, content: About, *, admin: bool = False) -> Event:
    return Event(named(n), author, Order(0, n, 0), content, admin)


def edit(n: int, author: MemberId, text: str) -> Event:
    return event(n, author, Edit(SALT, TARGET, text))


def react(n: int, author: MemberId, emoji: str) -> Event:
    return event(n, author, Reaction(SALT, TARGET, emoji))


def retract(n: int, author: MemberId, what: MimiId = TARGET, *, admin: bool = False) -> Event:
    return event(n, author, Retract(SALT, what), admin=admin)


def test_the_last_edit_is_shown_and_the_others_are_spent() -> None:
    shown = project(TEXT, [edit(3, ADA, "third"), edit(2, ADA, "second")])
    assert shown.edit == edit(3, ADA, "third")
    assert shown.spent == {named(2)}


def test_an_edit_by_somebody_else_is_nothing() -> None:
    assert project(TEXT, [edit(2, BO, "mine now")]) == Shown(spent=frozenset({named(2)}))


def test_an_admin_may_delete_but_not_edit_what_others_wrote() -> None:
    assert project(TEXT, [event(2, BO, Edit(SALT, TARGET, "no"), admin=True)]).edit is None
    assert project(TEXT, [retract(2, BO, admin=True)]).deleted_by == BO
    assert project(TEXT, [retract(2, BO)]).deleted_by is None


def test_what_is_deleted_stays_deleted_and_nothing_about_it_is_kept() -> None:
    said = [edit(2, ADA, "second"), react(3, BO, "👍"), retract(4, ADA), edit(5, ADA, "again"), react(6, BO, "👎")]
    shown = project(TEXT, said)
    assert shown == Shown(deleted_by=ADA, spent=frozenset({named(2), named(3), named(5), named(6)}))


def test_nothing_is_shown_before_the_message_is_there() -> None:
    assert project(None, [edit(2, ADA, "second"), react(3, BO, "👍"), retract(4, ADA)]) == NOTHING


def test_a_reaction_is_taken_back_by_its_author_only() -> None:
    said = [react(2, BO, "👍"), react(3, CY, "👍"), retract(4, BO, named(2)), retract(5, BO, named(3))]
    shown = project(TEXT, said)
    assert shown.reactions == (("👍", (CY,)),)
    assert named(2) in shown.spent


def test_reactions_of_one_member_have_an_end() -> None:
    said = [react(n, BO, f"{n}") for n in range(2, 40)]
    assert [emoji for emoji, _ in project(TEXT, said).reactions] == [f"{n}" for n in range(2, 18)]


def test_the_last_pin_counts_whoever_set_it() -> None:
    said = [event(2, BO, Pin(SALT, TARGET, True)), event(3, ADA, Pin(SALT, TARGET, True))]
    assert project(TEXT, said).pinned_by == ADA
    assert project(TEXT, [*said, event(4, CY, Pin(SALT, TARGET, False))]).pinned_by is None


def test_each_members_last_vote_counts() -> None:
    said = [event(2, ADA, Vote(SALT, TARGET, (0,))), event(3, BO, Vote(SALT, TARGET, (1, 2)))]
    assert project(POLL, said).votes == ((ADA,), (BO,), ())
    assert project(POLL, [*said, event(4, ADA, Vote(SALT, TARGET, ()))]).votes == ((), (BO,), ())
    assert project(POLL, [*said, event(4, ADA, Vote(SALT, TARGET, (2, 7)))]).votes == ((), (BO,), (ADA,))
    assert project(TEXT, said).votes == ()


def test_of_a_poll_for_many_all_options_count() -> None:
    many = Original(TARGET, ADA, Poll(SALT, "tea?", ("yes", "no"), many=True))
    assert project(many, [event(2, BO, Vote(SALT, TARGET, (0, 1)))]).votes == ((BO,), (BO,))


def test_a_poll_is_not_edited() -> None:
    assert project(POLL, [edit(2, ADA, "coffee?")]).edit is None


MEMBERS = st.sampled_from((ADA, BO, CY))
NUMBERS = st.integers(2, 12)
ABOUT = st.one_of(
    st.builds(Edit, st.just(SALT), st.just(TARGET), st.sampled_from(("b", "c", "d"))),
    st.builds(Retract, st.just(SALT), st.one_of(st.just(TARGET), NUMBERS.map(named))),
    st.builds(Reaction, st.just(SALT), st.just(TARGET), st.sampled_from(("👍", "👎"))),
    st.builds(Pin, st.just(SALT), st.just(TARGET), st.booleans()),
    st.builds(Vote, st.just(SALT), st.just(TARGET), st.sampled_from(((), (0,), (1,), (0, 2), (9,)))),
)


@st.composite
def rooms(draw: st.DrawFn) -> list[Event]:
    """Events in the order of a queue."""
    said = draw(st.lists(st.tuples(MEMBERS, ABOUT, st.booleans()), max_size=10))
    return [event(n, author, content, admin=admin) for n, (author, content, admin) in enumerate(said, 2)]


def visible(shown: Shown) -> tuple[object, ...]:
    return shown.edit, shown.deleted_by, shown.reactions, shown.pinned_by, shown.votes


def taken(original: Original, arrivals: Sequence[Event | Original]) -> Shown:
    """As a device does it: what is spent is forgotten after every arrival."""
    kept: dict[MimiId, Event] = {}
    forgotten: set[MimiId] = set()
    here: Original | None = None
    shown = NOTHING
    for arrival in arrivals:
        if isinstance(arrival, Original):
            here = arrival
        elif arrival.id not in forgotten:
            kept[arrival.id] = arrival
        shown = project(here, kept.values())
        forgotten |= shown.spent
        kept = {name: event for name, event in kept.items() if name not in forgotten}
    return shown


@settings(max_examples=400, deadline=None)
@given(st.data(), rooms(), st.sampled_from((TEXT, POLL)))
def test_any_order_of_arrival_gives_one_view(data: st.DataObject, said: list[Event], original: Original) -> None:
    everything: list[Event | Original] = [original, *said, *said[:3]]
    arrivals = data.draw(st.permutations(everything))
    assert visible(taken(original, arrivals)) == visible(project(original, said))


@settings(max_examples=200, deadline=None)
@given(rooms(), st.sampled_from((TEXT, POLL)))
def test_forgetting_what_is_spent_changes_nothing(said: list[Event], original: Original) -> None:
    shown = project(original, said)
    kept = [event for event in said if event.id not in shown.spent]
    assert visible(project(original, kept)) == visible(shown)


@settings(max_examples=200, deadline=None)
@given(rooms())
def test_of_a_deleted_message_only_the_deletion_is_kept(said: list[Event]) -> None:
    deleted = [*said, retract(50, ADA)]
    shown = project(TEXT, deleted)
    assert shown.deleted_by is not None
    kept = [event for event in deleted if event.id not in shown.spent and event.target == TARGET]
    assert [type(event.content) for event in kept] == [Retract]
