"""MLS (RFC 9420) for Coterie: OpenMLS and libcrux behind a surface that stages, shows, and only then accepts.

Nothing above this package knows OpenMLS. It does no I/O: a `Client` and each `Group` keep their state in memory and
hand over what changed as rows (`take_writes`), which the caller stores in its own transaction; `rollback` returns to
the state of the last `take_writes`. Every call that does cryptography releases the GIL; objects may be used from any
thread, one call at a time each. Never fork after the first commit (rayon's threads): spawn.
"""

from collections.abc import Sequence
from typing import Final, final

SUITE_XWING: Final[int]
"""0x004D, MLS_256_XWING_CHACHA20POLY1305_SHA256_Ed25519: the default."""
SUITE_CLASSICAL: Final[int]
"""0x0003, MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519."""
CREDENTIAL_TYPE: Final[int]
"""0xF0C0: the private-use credential type of a Coterie leaf; its content is opaque here."""
CONTEXT_EXTENSION: Final[int]
"""0xF0C1: the private-use group context extension that every Coterie group requires; its content is opaque here."""

Row = tuple[bytes, bytes]
Write = tuple[bytes, bytes | None]
"""One changed row: `None` deletes it, and the deletion is the forward secrecy."""

class MlsError(Exception):
    """What was refused. `code` is one of `CODES`; the text is for a log, it holds no secret and no content."""

    code: str

CODES: Final[frozenset[str]]
"""malformed, wrong-epoch, wrong-group, own-message, unknown-sender, bad-signature, cannot-decrypt, secret-reused,
pending-commit, no-pending-commit, not-a-member, duplicate-key, cannot-remove-self, bad-key-package, no-key-package,
bad-welcome, bad-tree, unsupported, refused-proposal, stale-commit, not-stored, invalid-commit, internal."""

@final
class Leaf:
    """One leaf of a tree: what must be checked against the register before it is accepted. Equal by value, hashable."""

    index: int
    credential: bytes
    signature_key: bytes
    def __hash__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...

@final
class Evidence:
    """What proves one message to an outsider: `signature` by `key` over `tbs`, which is
    SignContent("FramedContentTBS", FramedContentTBS) of RFC 9420 §6.1 (§5.1.2 for the label)."""

    tbs: bytes
    key: bytes
    signature: bytes

@final
class KeyPackage:
    """A key package, its signature verified. `wire` is the MLSMessage as it travels."""

    wire: bytes
    suite: int
    credential: bytes
    signature_key: bytes
    hash_ref: bytes
    last_resort: bool
    not_before: int
    not_after: int

def parse_key_package(wire: bytes) -> KeyPackage:
    """Decode and verify (RFC 9420 §10.1; of the credential its type only, the rest is the caller's).
    Raises MlsError(malformed | bad-key-package)."""

@final
class Envelope:
    """What a PrivateMessage says in clear. Unauthenticated until `Group.process` has verified it."""

    group_id: bytes
    epoch: int
    content: str
    """application, proposal or commit"""
    aad: bytes

def peek(message: bytes) -> Envelope:
    """Raises MlsError(malformed) for anything but a PrivateMessage of MLS 1.0."""

def cut_welcome(welcome: bytes, hash_ref: bytes) -> bytes:
    """The same Welcome with the secrets of one recipient only. Raises MlsError(malformed | no-key-package)."""

def hpke_keypair(seed: bytes) -> tuple[bytes, bytes]:
    """(private, public) X-Wing key of a 32-byte seed: DeriveKeyPair of suite 0x004D's KEM (id 0x647a), as hpke-rs 0.7
    derives it. Raises MlsError(malformed)."""

def hpke_seal(public: bytes, info: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """HPKE base mode (RFC 9180 §6.1): X-Wing, HKDF-SHA256, ChaCha20-Poly1305. Returns enc (1,120 bytes) ‖ ciphertext.
    Raises MlsError(malformed) for a public key of another length."""

def hpke_open(private: bytes, info: bytes, aad: bytes, sealed: bytes) -> bytes:
    """Raises MlsError(malformed | cannot-decrypt)."""

@final
class Client:
    """One device's MLS identity: its leaf key, its credential, its key packages."""

    def __new__(cls, credential: bytes, leaf_seed: bytes, rows: Sequence[Row] = ()) -> Client:
        """`leaf_seed` is the Ed25519 seed (32 bytes); `rows` are the client's rows as stored after earlier
        `take_writes`. Raises MlsError(malformed)."""

    @property
    def leaf_key(self) -> bytes: ...
    def key_package(self, suite: int = ..., *, last_resort: bool = False) -> KeyPackage:
        """A new one; valid from 0 to the year 9999 (freshness is judged elsewhere). Its private parts are in the next
        `take_writes`. Raises MlsError(unsupported) for another suite."""

    def forget_key_package(self, hash_ref: bytes) -> None:
        """Delete the private parts of an unused package. Unknown: nothing happens."""

    def create(self, group_id: bytes, extension: bytes, suite: int = ...) -> Group:
        """A group whose only member is this device, at epoch 0. `extension` is the content of CONTEXT_EXTENSION."""

    def load(self, group_id: bytes, rows: Sequence[Row]) -> Group:
        """A group from its stored rows. Raises MlsError(not-stored | malformed)."""

    def stage_welcome(self, welcome: bytes, tree: bytes) -> StagedWelcome:
        """Open a Welcome with the ratchet tree that travelled apart, joining nothing yet. Consumes a one-time key
        package in memory: `rollback` gives it back, and so does every error. A group context with an extension that no
        Coterie group has is a bad welcome. Whether the device is in a group of this id already is the caller's to know.
        Raises MlsError(malformed | no-key-package | bad-welcome | bad-tree)."""

    def take_writes(self) -> list[Write]:
        """The client's rows changed since the last call, each key once, in key order."""

    def rollback(self) -> None:
        """Forget what changed since the last `take_writes`."""

@final
class StagedWelcome:
    """A group that could be joined. Look at it, then `join` or `drop` it."""

    group_id: bytes
    epoch: int
    suite: int
    extension: bytes
    """Content of CONTEXT_EXTENSION; empty if the group has none (then refuse it)."""
    sender: Leaf
    members: list[Leaf]
    def export(self, label: str, context: bytes, length: int) -> bytes:
        """The exporter (RFC 9420 §8.5) of the epoch that would be joined."""

    def join(self) -> Group:
        """Once. Store the client's writes and the group's in one transaction, in place of older rows of the group id.
        Raises MlsError(bad-welcome)."""

    def drop(self) -> None: ...

@final
class Application:
    """A message of another device, decrypted and its signature verified."""

    sender: Leaf
    epoch: int
    aad: bytes
    plaintext: bytes
    evidence: Evidence

@final
class StagedCommit:
    """A verified commit, not yet applied: what it would do."""

    sender: Leaf
    epoch: int
    """The epoch it was made in; merging leads to epoch + 1."""
    aad: bytes
    added: list[Leaf]
    """`index` is the leaf each would get."""
    removed: list[Leaf]
    updated: list[Leaf]
    """Update proposals by value (refused by Coterie) and the committer's new path leaf, each with its new keys."""
    extension: bytes | None
    """The new content of CONTEXT_EXTENSION, None if the commit leaves it."""
    removes_me: bool
    has_path: bool
    proposals: list[str]
    """The kinds by value, in order: add, remove, update, psk, reinit, external-init, group-context-extensions or
    other."""
    def export(self, label: str, context: bytes, length: int) -> bytes:
        """The exporter of the epoch that merging would lead to. Raises MlsError(not-a-member) if the commit removes
        this device, MlsError(stale-commit) once it is merged or dropped."""

@final
class Proposal:
    """A stand-alone proposal: Coterie has none (proposals travel by value); shown so that it can be refused."""

    sender: Leaf
    aad: bytes
    kind: str

@final
class Own:
    """A PrivateMessage that claims this very leaf as its sender, as when the server hands our own back. It cannot be
    decrypted, so any member could have made it: it is ours only if its hash is in the outbox."""

    epoch: int
    content: str

@final
class Encrypted:
    wire: bytes
    evidence: Evidence

@final
class PendingCommit:
    """Our own commit, made and not merged."""

    wire: bytes
    welcome: bytes | None
    """For all added devices together; `cut_welcome` it for each."""
    tree: bytes
    """The ratchet tree after the commit: what an added device needs beside its Welcome."""
    epoch: int
    """The epoch it was made in."""
    def export(self, label: str, context: bytes, length: int) -> bytes:
        """The exporter of the epoch that merging leads to. Raises MlsError(no-pending-commit) once it is merged or
        discarded."""

@final
class Group:
    """One MLS group as this device sees it. Handshake as PrivateMessage, no past epochs, padding to 256-byte steps."""

    group_id: bytes
    suite: int
    @property
    def epoch(self) -> int: ...
    @property
    def own_index(self) -> int: ...
    @property
    def active(self) -> bool:
        """False once a merged commit has removed this device."""

    @property
    def extension(self) -> bytes: ...
    @property
    def has_pending(self) -> bool:
        """A commit of ours is stored and waits for merge_pending or discard_pending; true also after `load`."""

    @property
    def epoch_authenticator(self) -> bytes: ...
    @property
    def group_context(self) -> bytes:
        """The serialised GroupContext (RFC 9420 §8.1)."""

    def members(self) -> list[Leaf]: ...
    def tree(self) -> bytes: ...
    def export(self, label: str, context: bytes, length: int) -> bytes:
        """The exporter (RFC 9420 §8.5) of this epoch. Raises MlsError(not-a-member), MlsError(unsupported) above 8,160
        bytes."""

    def encrypt(self, plaintext: bytes, aad: bytes) -> Encrypted:
        """Works with a commit pending. Raises MlsError(not-a-member)."""

    def commit(
        self,
        *,
        add: Sequence[bytes] = (),
        remove: Sequence[int] = (),
        extension: bytes | None = None,
        path: bool = True,
        aad: bytes = b"",
    ) -> PendingCommit:
        """Make a commit with its proposals by value. `add` are key packages as on the wire, `remove` leaf indices.
        Without a path it only adds; removals, a new extension and an empty commit force one. A package whose lifetime
        is not 0 to the year 9999 is a bad one: receivers judge it by their own clocks. Raises MlsError(pending-commit |
        malformed | bad-key-package | duplicate-key | cannot-remove-self | unsupported | not-a-member); on any error
        nothing has changed."""

    def pending(self) -> PendingCommit | None:
        """What was made, also after `load` (the wire form is the caller's to keep: empty then, as is the welcome)."""

    def merge_pending(self) -> None: ...
    def discard_pending(self) -> None:
        """Nothing pending: nothing happens."""

    def process(self, message: bytes) -> Application | StagedCommit | Proposal | Own:
        """Decrypt and verify one message of this group's current epoch. A message may come up to 16 places out of its
        sender's order. A commit that changes group context extensions other than the content of CONTEXT_EXTENSION is a
        refused proposal. Raises MlsError; the state is then as before."""

    def merge(self, staged: StagedCommit) -> None:
        """Apply it; a pending commit of ours is discarded. Raises MlsError(stale-commit) unless it was staged in this
        epoch by this group."""

    def drop(self, staged: StagedCommit) -> None:
        """Never apply it; its ratchet generation stays consumed."""

    def take_writes(self) -> list[Write]: ...
    def rollback(self) -> None:
        """Back to the state of the last `take_writes` (or `load`). Raises MlsError(not-stored) for a group never
        taken."""
