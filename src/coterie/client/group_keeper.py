"""The MLS groups in memory, and the one transaction in which they and the store change together.

One entry, one transaction: inside `changing()` the MLS state, the message, the cursor and the outbox change, and all
of it is on disk when the block ends. If it fails, memory is thrown away and read again from the disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import coterie_mls

from coterie.client.own import Own
from coterie.group.credential import encode_credential
from coterie.ids import GroupId
from coterie.store.store import Store


class GroupKeeper:
    def __init__(self, store: Store, own: Own) -> None:
        self._store = store
        self._own = own
        self._client: coterie_mls.Client | None = None
        self._loaded: dict[GroupId, coterie_mls.Group] = {}
        self._touched: set[GroupId] = set()

    @property
    def client(self) -> coterie_mls.Client:
        if self._client is None:
            own = self._own
            credential = encode_credential(own.coterie, own.member, own.device)
            self._client = coterie_mls.Client(credential, bytes(own.leaf_seed), self._store.groups.client_rows())
        return self._client

    def get(self, group: GroupId) -> coterie_mls.Group:
        """The group, loaded when first asked for. Raises MlsError(not-stored) if this device has no state of it."""
        loaded = self._loaded.get(group)
        if loaded is None:
            loaded = self._loaded[group] = self.client.load(group, self._store.groups.rows(group))
        self._touched.add(group)
        return loaded

    def adopt(self, group: coterie_mls.Group) -> None:
        """A group just created or joined; inside `changing()`."""
        group_id = GroupId(group.group_id)
        self._loaded[group_id] = group
        self._touched.add(group_id)

    def drop(self, group: GroupId) -> None:
        """Forget the group's MLS state, in memory and (inside `changing()`) on disk."""
        self._loaded.pop(group, None)
        self._touched.discard(group)
        self._store.groups.drop_state(group)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """All of it or nothing; fsynced when the block ends. Never spans an await."""
        self._touched.clear()
        try:
            with self._store.transaction():
                yield
                for group in sorted(self._touched):
                    self._store.groups.write_rows(group, self._loaded[group].take_writes())
                if self._client is not None:
                    self._store.groups.write_client_rows(self._client.take_writes())
        except BaseException:
            # memory may be ahead of what was rolled back
            self.forget()
            raise
        finally:
            self._touched.clear()

    def forget(self) -> None:
        """Throw memory away; everything is read again from the store."""
        self._client = None
        self._loaded.clear()
