"""Real MLS groups through converter, judge, heads and tokens: what MLS shows is what the judge reads."""

import secrets
from dataclasses import replace

import coterie_mls
import pytest
from coterie_mls import Application, Client, Group, KeyPackage, StagedCommit

from coterie.group.chain import EMPTY, claim
from coterie.group.commit import commit_of, planned_commit
from coterie.group.context import RoomContext, decode_context_untrusted, encode_context, renamed, with_admins
from coterie.group.credential import MalformedCredential, claim_package_untrusted, encode_credential
from coterie.group.exports import post_token, read_token
from coterie.group.heads import Head, open_head_untrusted, seal_head
from coterie.group.judge import RoomState, judge, settled
from coterie.group.roster import LeafReason, Roster, check_leaf
from coterie.group.suites import Suite
from coterie.group.verdict import Accepted, Change, ChangeKind, Refusal, Refused
from coterie.trust.register import Register
from tests.group.real_rooms import QUEUE, RealRoom, client
from tests.group.room_people import ADA, BO, CY, DI, Person, register, room, seed, without


def state(group: Group) -> RoomState:
    context = decode_context_untrusted(group.extension, group.suite)
    return RoomState(Roster.of(group.members()), context, register_floor=1)


def of(room_: RealRoom, person: Person) -> int:
    """The leaf index of a person."""
    leaf = Roster.of(room_.groups[ADA].members()).leaf_of(person.device)
    assert leaf is not None
    return leaf.index


def judged(
    room_: RealRoom,
    by: Person,
    at: Person,
    reg: Register,
    *,
    add: tuple[KeyPackage, ...] = (),
    remove: tuple[int, ...] = (),
    context: RoomContext | None = None,
    path: bool = True,
) -> tuple[Accepted | Refused, StagedCommit]:
    """`by` makes the commit, sealed head and all; `at` receives and judges it. The plan and the commit agree."""
    author, reader = room_.groups[by], room_.groups[at]
    extension = encode_context(context) if context else None
    plan = planned_commit(
        Roster.of(author.members()), author.own_index, add=add, remove=remove, extension=extension, path=path
    )
    head = Head(reg.head, *claim(EMPTY))
    aad = seal_head(author, QUEUE, head, secrets.token_bytes(12))
    pending = author.commit(add=[one.wire for one in add], remove=remove, extension=extension, path=path, aad=aad)
    staged = reader.process(pending.wire)
    assert isinstance(staged, StagedCommit)
    assert open_head_untrusted(reader, QUEUE, staged.aad) == head
    received = commit_of(staged)
    assert received == replace(plan, proposals=received.proposals)
    assert sorted(received.proposals) == sorted(plan.proposals)
    verdict = judge(state(reader), reg, received)
    assert verdict == judge(state(author), reg, plan)
    assert isinstance(verdict, Accepted | Refused)
    if isinstance(verdict, Accepted):
        assert (post_token(staged), read_token(staged)) == (post_token(pending), read_token(pending))
    return verdict, staged


@pytest.fixture(params=list(Suite), ids=lambda suite: suite.name.lower())
def three(request: pytest.FixtureRequest) -> RealRoom:
    base = room(ADA)
    context = replace(base, suite=request.param, policy=replace(base.policy, least_suite=request.param))
    made = RealRoom.created(context)
    made.join(BO)
    made.join(CY)
    return made


def test_an_add_without_a_path_is_accepted_and_leads_where_the_verdict_says(three: RealRoom) -> None:
    newcomer = client(DI)
    package = newcomer.key_package(three.groups[ADA].suite)
    claim_ = claim_package_untrusted(package.credential, package.signature_key)
    assert check_leaf(claim_, register()) is None
    verdict, staged = judged(three, ADA, BO, register(), add=(package,), path=False)
    assert isinstance(verdict, Accepted)
    assert verdict.changes == (Change(ChangeKind.MEMBER_ADDED, DI.member),)
    coming = post_token(staged)
    three.groups[BO].merge(staged)
    assert state(three.groups[BO]).roster == verdict.roster
    assert post_token(three.groups[BO]) == coming


def test_a_welcome_shows_the_roster_and_context_before_it_is_joined(three: RealRoom) -> None:
    newcomer = client(DI)
    package = newcomer.key_package(three.groups[ADA].suite)
    pending = three.groups[ADA].commit(add=[package.wire], path=False)
    assert pending.welcome is not None
    staged = newcomer.stage_welcome(coterie_mls.cut_welcome(pending.welcome, package.hash_ref), pending.tree)
    roster = Roster.of(staged.members)
    assert roster.devices == {ADA.device, BO.device, CY.device, DI.device}
    assert roster.refused(register()) == ()
    assert [(one.leaf.device, one.reason) for one in roster.refused(without(CY))] == [
        (CY.device, LeafReason.MEMBER_NOT_IN_FORCE)
    ]
    assert decode_context_untrusted(staged.extension, staged.suite).name == "Harbour"
    assert read_token(staged) == read_token(pending)


def test_a_removal_and_a_rename_by_the_admin(three: RealRoom) -> None:
    pier = renamed(state(three.groups[ADA]).context, name="Pier")
    verdict, staged = judged(three, ADA, BO, register(), remove=(of(three, CY),), context=pier)
    assert isinstance(verdict, Accepted)
    assert {change.kind for change in verdict.changes} == {ChangeKind.MEMBER_REMOVED, ChangeKind.RENAMED}
    three.groups[BO].merge(staged)
    assert state(three.groups[BO]) == RoomState(verdict.roster, verdict.context, 1)


def test_the_commit_that_removes_this_very_device_is_judged_too(three: RealRoom) -> None:
    verdict, staged = _removal_of_the_reader(three)
    assert isinstance(verdict, Accepted) and staged.removes_me
    assert verdict.changes == (Change(ChangeKind.MEMBER_REMOVED, CY.member),)


def _removal_of_the_reader(three: RealRoom) -> tuple[Accepted | Refused, StagedCommit]:
    pending = three.groups[ADA].commit(remove=[of(three, CY)])
    staged = three.groups[CY].process(pending.wire)
    assert isinstance(staged, StagedCommit)
    verdict = judge(state(three.groups[CY]), register(), commit_of(staged))
    assert isinstance(verdict, Accepted | Refused)
    return verdict, staged


def test_a_removal_by_an_ordinary_member_is_refused_unless_the_register_demands_it(three: RealRoom) -> None:
    verdict, staged = judged(three, BO, ADA, register(), remove=(of(three, CY),))
    assert verdict == Refused(Refusal.NO_POWER, "remove")
    three.groups[ADA].drop(staged)
    three.groups[BO].discard_pending()
    verdict, _ = judged(three, BO, ADA, without(CY), remove=(of(three, CY),))
    assert isinstance(verdict, Accepted)
    assert verdict.changes == (Change(ChangeKind.MEMBER_LOST, CY.member),)


def test_a_stuck_device_is_added_again_by_anyone(three: RealRoom) -> None:
    again = client(CY)
    package = again.key_package(three.groups[ADA].suite)
    verdict, staged = judged(three, BO, ADA, register(), remove=(of(three, CY),), add=(package,))
    assert isinstance(verdict, Accepted)
    assert verdict.changes == (Change(ChangeKind.DEVICE_ADDED_AGAIN, CY.member, CY.device),)
    three.groups[ADA].merge(staged)
    assert state(three.groups[ADA]).roster == verdict.roster


def test_a_device_with_a_leaf_key_of_its_own_making_is_refused(three: RealRoom) -> None:
    puppet = Client(encode_credential(register().coterie, DI.member, DI.device), bytes(seed("puppet")))
    package = puppet.key_package(three.groups[ADA].suite)
    verdict, _ = judged(three, ADA, BO, register(), add=(package,), path=False)
    assert isinstance(verdict, Refused) and verdict.refusal is Refusal.ADDED_LEAF


def test_a_credential_that_is_none_of_ours_is_refused(three: RealRoom) -> None:
    package = Client(b"somebody", DI.leaf_seed).key_package(three.groups[ADA].suite)
    with pytest.raises(MalformedCredential):
        claim_package_untrusted(package.credential, package.signature_key)
    verdict, _ = judged(three, ADA, BO, register(), add=(package,), path=False)
    assert isinstance(verdict, Refused) and verdict.refusal is Refusal.ADDED_LEAF


def test_a_member_who_makes_itself_admin_is_refused(three: RealRoom) -> None:
    grab = with_admins(state(three.groups[BO]).context, frozenset({BO.member}))
    verdict, _ = judged(three, BO, ADA, register(), context=grab)
    assert verdict == Refused(Refusal.NO_POWER, "appoint")


def test_removing_the_only_admin_hands_the_room_on(three: RealRoom) -> None:
    context = with_admins(state(three.groups[ADA]).context, frozenset({CY.member}))
    verdict, staged = judged(three, ADA, BO, register(), context=context)
    assert isinstance(verdict, Accepted)
    three.groups[ADA].merge_pending()
    three.groups[BO].merge(staged)
    staying = Roster.of_claims(leaf for leaf in state(three.groups[BO]).roster if leaf.member != CY.member)
    after = settled(context, staying, without(CY))
    verdict, _ = judged(three, BO, ADA, without(CY), remove=(of(three, CY),), context=after)
    assert isinstance(verdict, Accepted) and verdict.context.admins == (ADA.member,)


def test_a_message_carries_the_head_of_its_sender(three: RealRoom) -> None:
    head = Head(register().head, 3, b"\x05" * 32)
    aad = seal_head(three.groups[CY], QUEUE, head, secrets.token_bytes(12))
    message = three.groups[ADA].process(three.groups[CY].encrypt(b"hello", aad).wire)
    assert isinstance(message, Application)
    assert open_head_untrusted(three.groups[ADA], QUEUE, message.aad) == head
    assert Roster.of([message.sender]).devices == {CY.device}
