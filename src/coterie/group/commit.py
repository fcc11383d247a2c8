"""A commit as the judge sees it: what it would do, before it is merged, or before it is made. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from coterie_mls import KeyPackage, StagedCommit

from coterie.group.credential import LeafLike, RawLeaf
from coterie.group.roster import Roster

ADD: Final = "add"
REMOVE: Final = "remove"
CONTEXT: Final = "group-context-extensions"
ALLOWED_PROPOSALS: Final = frozenset({ADD, REMOVE, CONTEXT})
"""By value. Updates travel as the committer's path; nothing else exists in a Coterie group."""


@dataclass(frozen=True, slots=True)
class Commit:
    """`updated` are the leaves with new keys: the committer's path leaf, and whatever update proposals there are.

    `extension` is the new content of the context extension, None if the commit leaves it.
    """

    committer: RawLeaf
    proposals: tuple[str, ...] = ()
    added: tuple[RawLeaf, ...] = ()
    removed: tuple[RawLeaf, ...] = ()
    updated: tuple[RawLeaf, ...] = ()
    extension: bytes | None = None
    has_path: bool = False


def commit_of(staged: StagedCommit) -> Commit:
    """A received commit, staged."""
    return Commit(
        committer=_raw(staged.sender),
        proposals=tuple(staged.proposals),
        added=tuple(_raw(leaf) for leaf in staged.added),
        removed=tuple(_raw(leaf) for leaf in staged.removed),
        updated=tuple(_raw(leaf) for leaf in staged.updated),
        extension=staged.extension,
        has_path=staged.has_path,
    )


def planned_commit(
    roster: Roster,
    own_index: int,
    *,
    add: Iterable[KeyPackage] = (),
    remove: Iterable[int] = (),
    extension: bytes | None = None,
    path: bool = True,
) -> Commit:
    """The commit that `Group.commit` with these arguments would make, to be judged before it is made.

    Added devices get the indices that MLS would give them: the freed and empty ones first (RFC 9420 §7.7), which only
    order depends on. Raises ValueError for an index that is not in the roster.
    """
    raw = {leaf.index: RawLeaf(leaf.index, leaf.coterie + leaf.member + leaf.device, leaf.leaf_key) for leaf in roster}
    gone = sorted(set(remove))
    if own_index not in raw or any(index not in raw for index in gone):
        raise ValueError("a leaf index that is not in the roster")
    taken = raw.keys() - set(gone)
    free = (index for index in count() if index not in taken)
    added = tuple(RawLeaf(next(free), package.credential, package.signature_key) for package in add)
    proposals = (REMOVE,) * len(gone) + (ADD,) * len(added) + ((CONTEXT,) if extension is not None else ())
    with_path = path or bool(gone) or extension is not None or not proposals
    return Commit(
        committer=raw[own_index],
        proposals=proposals,
        added=added,
        removed=tuple(raw[index] for index in gone),
        updated=(raw[own_index],) if with_path else (),
        extension=extension,
        has_path=with_path,
    )


def _raw(leaf: LeafLike) -> RawLeaf:
    return RawLeaf(leaf.index, bytes(leaf.credential), bytes(leaf.signature_key))
