"""Rooms as real MLS groups, for the tests of `group`."""

from dataclasses import dataclass

import coterie_mls
from coterie_mls import Client, Group, StagedCommit

from coterie.group.context import RoomContext, encode_context
from coterie.group.credential import encode_credential
from coterie.ids import GroupId, QueueId
from tests.group.room_people import ADA, Person, register, room

GROUP = GroupId(b"G" * 16)
QUEUE = QueueId(b"Q" * 32)


def client(person: Person) -> Client:
    return Client(encode_credential(register().coterie, person.member, person.device), person.leaf_seed)


@dataclass
class RealRoom:
    """Everybody's own view of one group."""

    groups: dict[Person, Group]
    clients: dict[Person, Client]

    @classmethod
    def created(cls, context: RoomContext | None = None, group_id: GroupId = GROUP) -> "RealRoom":
        context = context or room()
        ada = client(ADA)
        return cls({ADA: ada.create(group_id, encode_context(context), int(context.suite))}, {ADA: ada})

    def join(self, person: Person, by: Person = ADA) -> None:
        """Added by `by`, everybody else following."""
        newcomer = client(person)
        package = newcomer.key_package(self.groups[by].suite)
        pending = self.groups[by].commit(add=[package.wire], path=False)
        assert pending.welcome is not None
        self.spread(by, pending.wire)
        staged = newcomer.stage_welcome(coterie_mls.cut_welcome(pending.welcome, package.hash_ref), pending.tree)
        self.groups[person], self.clients[person] = staged.join(), newcomer

    def spread(self, by: Person, commit: bytes) -> None:
        """The author merges, and so does everybody that stays."""
        for person, group in self.groups.items():
            if person is by:
                group.merge_pending()
            else:
                staged = group.process(commit)
                assert isinstance(staged, StagedCommit)
                group.merge(staged)
