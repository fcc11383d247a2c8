"""The view: the state that applying the log gives, in one SQLite file, rebuildable from the log (docs/protocol/log.md).

`View` applies records (one thread, the only writer) and answers the hub's intake from memory; a `Reader` answers long
reads on a connection and in a thread of its own. Imports `coterie.server.rules`, never the log or a connection.

    view = View(path)                       ViewDamaged: delete the file (`delete_view`) and apply the log from record 1
    view.position, view.time, view.digest   the newest record applied (0: none), the log's time (ms), the digest
    view.record_hash                        SHA-256 of the record at `position`: the log must still have it there
    view.log                                LogOpened | None
    view.register                           trust's Register | None, as of `position`
    view.apply(seq, record) -> Applied      NotNext: seq is not position + 1; StorageFailed: nothing changed, stop
                                            the hub; NewerRules: this hub is too old for the log, stop it
    view.queue(queue) -> QueueRow | None    None: never opened, closed, or aged out
    view.post_fits(row, epoch, token_hash) -> bool        the post token of that (present or past) epoch
    view.read_fits(row, token_hash) -> bool               a read token of any epoch that is still known
    view.read_end(row, token_hash) -> int | None          entry that ends what it reads (0: not yet); None: does not fit
    view.highest_counter(device) -> int                   0: never connected
    view.blob_size(blob) -> int | None
    view.wal_bytes() -> int                 above WAL_RESTART_BYTES the writer calls `view.restart_wal()`
    view.dropped_blobs(limit) / view.forget_dropped(blobs)
    view.reader() -> Reader                 a new read-only connection; close it; one thread at a time
    view.close()

    reader.entries(queue, token_hash, after, limit, up_to=None) -> Page | Beyond | None
    reader.register_entries(after, most_bytes) -> list[bytes]
    reader.stock(device, suite) -> (one_time, last_resort)
    reader.bundles(devices) -> list[bytes | None]
    reader.packet(invite) -> bytes | None
    reader.blob_size(blob) -> int | None
    reader.checkpoint()                     PASSIVE; for the checkpoint thread's own `view.checkpointer()` connection
    reader.state_hash() -> bytes            over all tables in logical order
"""
