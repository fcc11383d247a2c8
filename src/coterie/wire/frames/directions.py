"""Which frames go which way, and when: each of these is what one decoder takes."""

from coterie.wire.frames.answers import Done, Error
from coterie.wire.frames.blobs import BlobChunk, BlobHas, GetBlob, PutBlob
from coterie.wire.frames.entries import Behind, Entries, Follow, FollowEnded, Following, Pushed, Read, Unfollow
from coterie.wire.frames.handshake import (
    Challenge,
    Hello,
    Position,
    Prove,
    ProveFounding,
    ProveIdentity,
    ProveInvite,
    ProveLink,
    Ready,
    StoreCopied,
)
from coterie.wire.frames.key_packages import (
    Bundles,
    Claimed,
    ClaimKeyPackage,
    GetBundles,
    KeyPackageStock,
    PutKeyPackages,
    Stock,
)
from coterie.wire.frames.packets import GetPacket, Packet, PacketDone, PutPacket
from coterie.wire.frames.queues import Advance, Advanced, CloseQueue, Conflict, Opened, OpenQueue, Post, Posted, Stale
from coterie.wire.frames.register import (
    Appended,
    RegisterAppend,
    RegisterEntries,
    RegisterMoved,
    RegisterPushed,
    RegisterRead,
)

Greeting = Hello | Prove | ProveInvite | ProveFounding | ProveIdentity | ProveLink
Welcoming = Challenge | Ready | StoreCopied
Request = (
    OpenQueue
    | Post
    | Advance
    | Read
    | Follow
    | Unfollow
    | CloseQueue
    | PutKeyPackages
    | KeyPackageStock
    | ClaimKeyPackage
    | GetBundles
    | PutBlob
    | GetBlob
    | RegisterAppend
    | RegisterRead
    | PutPacket
    | GetPacket
    | PacketDone
)
Reply = (
    Error
    | Done
    | Opened
    | Posted
    | Stale
    | Advanced
    | Conflict
    | Entries
    | Following
    | Behind
    | Stock
    | Claimed
    | Bundles
    | BlobHas
    | BlobChunk
    | Appended
    | RegisterMoved
    | RegisterEntries
    | Packet
)
Push = Pushed | FollowEnded | RegisterPushed | Position
