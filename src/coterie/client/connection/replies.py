"""Which replies answer which request; anything else from the hub is malformed. `Error` answers all of them."""

from typing import Final

from coterie.wire import frames
from coterie.wire.frames import Reply, Request

REPLIES: Final[dict[type[Request], tuple[type[Reply], ...]]] = {
    frames.OpenQueue: (frames.Opened,),
    frames.Post: (frames.Posted, frames.Stale),
    frames.Advance: (frames.Advanced, frames.Conflict),
    frames.Read: (frames.Entries, frames.Behind),
    frames.Follow: (frames.Following, frames.Behind),
    frames.Unfollow: (frames.Done,),
    frames.CloseQueue: (frames.Done,),
    frames.PutKeyPackages: (frames.Stock,),
    frames.KeyPackageStock: (frames.Stock,),
    frames.ClaimKeyPackage: (frames.Claimed,),
    frames.GetBundles: (frames.Bundles,),
    frames.PutBlob: (frames.BlobHas,),
    frames.GetBlob: (frames.BlobChunk,),
    frames.RegisterAppend: (frames.Appended, frames.RegisterMoved),
    frames.RegisterRead: (frames.RegisterEntries,),
    frames.PutPacket: (frames.Done,),
    frames.GetPacket: (frames.Packet,),
    frames.PacketDone: (frames.Done,),
}
