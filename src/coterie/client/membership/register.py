"""The register as this device verified it, entry by entry: the only thing it believes about membership.

Keeps every past state (they share their maps), because a commit is judged by the state its author named.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from coterie.ids import CoterieKey, DeviceId, EntryHash, InviteId, MemberId
from coterie.store.register import RegisterTable
from coterie.trust import Register, apply, replay
from coterie.trust.coterie_key import check_key, former_keys
from coterie.trust.entry import DecodedEntry, decode_entry_untrusted
from coterie.trust.kinds import IdentityRecovered
from coterie.trust.names import Names, learn_names
from coterie.trust.register import InviteState, Member


class RegisterKeeper:
    """Reads its table once and verifies it again. Raises what `apply` raises if the store's copy does not hold."""

    def __init__(self, table: RegisterTable) -> None:
        self._table = table
        self._entries: list[DecodedEntry] = []
        self._states: list[Register] = []
        self._names: Names | None = None
        stored = [decode_entry_untrusted(entry) for entry in table.entries()]
        for entry, state in zip(stored, replay(None, stored), strict=True):
            self._append(entry, state)

    @property
    def state(self) -> Register:
        """The newest. Raises IndexError before the first entry is here."""
        return self._states[-1]

    @property
    def seq(self) -> int:
        """0 before the first entry is here."""
        return len(self._states)

    def state_at(self, seq: int) -> Register | None:
        """The state after entry `seq`; None if that entry is not here."""
        return self._states[seq - 1] if 1 <= seq <= len(self._states) else None

    def hash_at(self, seq: int) -> EntryHash | None:
        state = self.state_at(seq)
        return None if state is None else state.head.hash

    def entry_at(self, seq: int) -> DecodedEntry:
        return self._entries[seq - 1]

    def verify(self, entries: Sequence[bytes]) -> list[tuple[DecodedEntry, Register]]:
        """What follows the state that is here, verified in order; changes nothing. Raises RegisterError, NewerCoterie,
        MalformedEntry at the first that does not apply."""
        verified: list[tuple[DecodedEntry, Register]] = []
        state = self._states[-1] if self._states else None
        for entry in entries:
            verified.append(self._verify(entry, state))
            state = verified[-1][1]
        return verified

    @contextmanager
    def learning(self, verified: Sequence[tuple[DecodedEntry, Register]]) -> Iterator[None]:
        """They are known here within the block, and stay known if it ends without an error: it goes around the
        transaction that stores them."""
        before = self.seq
        try:
            for entry, state in verified:
                self._append(entry, state)
            yield
        except BaseException:
            del self._entries[before:], self._states[before:]
            self._names = None
            raise

    def store(self, verified: Sequence[tuple[DecodedEntry, Register]]) -> None:
        """Keep them in the table; needs an open transaction."""
        for entry, state in verified:
            self._table.add(state.head.seq, state.head.hash, entry.encoded)

    def _append(self, entry: DecodedEntry, state: Register) -> None:
        self._entries.append(entry)
        self._states.append(state)
        self._names = None

    @staticmethod
    def _verify(entry: bytes, state: Register | None) -> tuple[DecodedEntry, Register]:
        decoded = decode_entry_untrusted(entry)
        return decoded, apply(state, decoded)

    def coterie_keys(self) -> dict[int, CoterieKey]:
        """Every generation of the coterie key that this device can open, by number."""
        return former_keys(self.state, self._entries, self._table.keys())

    def key_of(self, generation: int) -> CoterieKey:
        """Raises KeyError for a generation that this device cannot open."""
        return self.coterie_keys()[generation]

    def current_key(self) -> CoterieKey | None:
        """The generation in force, or None while nobody has sent it to this device."""
        return self._table.keys().get(self.state.generation)

    def learn_key(self, generation: int, key: CoterieKey) -> None:
        """Keep a generation; needs an open transaction. Raises WrongCoterieKey if the register names another."""
        self._table.put_key(generation, check_key(self.state, generation, key), announced=True)
        self._names = None

    def forget_names(self) -> None:
        """After a key was learned: names are opened again."""
        self._names = None

    @property
    def names(self) -> Names:
        if self._names is None:
            self._names = learn_names(self.state, self._entries, self.coterie_keys())
        return self._names

    def name(self, member: MemberId) -> str:
        """For people: the name, or "unknown name" with the beginning of the id."""
        return self.names.members.get(member) or f"unknown name ({member.hex()[:8]})"

    def member_state(self, member: Member) -> str:
        if member.removed is not None:
            return "removed"
        return "active" if member.lapsed is None else "lapsed"

    def invite_state(self, invite: InviteId, now: int) -> str:
        facts = self.state.invite(invite)
        if facts.state is InviteState.OPEN and facts.expires_at <= now:
            return "expired"
        return facts.state.value

    def came_back(self, device: DeviceId) -> bool:
        """It came in by its member's recovery phrase: nobody gave it a coterie key on its way."""
        seq = self.joined_seq(device)
        return seq is not None and isinstance(self.entry_at(seq).public, IdentityRecovered)

    def joined_seq(self, device: DeviceId) -> int | None:
        """The seq of the entry by which a device came in."""
        known = self.state.devices.get(device)
        return None if known is None else self.state.used[known.key]
