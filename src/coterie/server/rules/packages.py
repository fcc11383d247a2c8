"""Key packages: one pop each, decided by order; the last resort stays (docs/protocol/queues.md, "Key packages").

Limits on a target are kept here, by order; limits on who claims are the hub's.
"""

from typing import Final

from coterie.ids import DeviceId
from coterie.server.rules.draft import Draft
from coterie.server.rules.limits import CLAIMS_PER_DAY, DAY_MS, KEY_MS, PACKAGES_PER_DEVICE, SECOND_MS
from coterie.server.rules.outcomes import Claimed, NotInForce, Outcome, Stocked, refused
from coterie.server.rules.record import ClaimKeyPackage, PutKeyPackages
from coterie.server.rules.rows import ClaimRow, PutRow, StockRow
from coterie.wire.codes import ErrorCode

_EMPTY: Final = StockRow(first=0, end=0, last_resort=b"", day=0, claims=0)
_NO_KEY_PACKAGE: Final = refused(ErrorCode.NO_KEY_PACKAGE)
_FULL: Final = refused(ErrorCode.LIMITED)


def put_key_packages(draft: Draft, op: PutKeyPackages) -> Outcome:
    device = DeviceId(op.device)
    known = draft.puts.get((device, op.key))
    if known is not None and known.expires > draft.time:
        return Stocked(known.one_time, known.last_resort)
    if not _in_force(draft, device):
        return NotInForce()
    stock = draft.stocks.get((device, op.suite)) or _EMPTY
    end = stock.end + len(op.packages)
    if end - stock.first > PACKAGES_PER_DEVICE:
        return _FULL
    for number, package in enumerate(op.packages, stock.end):
        draft.packages.put((device, op.suite, number), package)
    last_resort = op.last_resort or stock.last_resort
    draft.stocks.put((device, op.suite), StockRow(stock.first, end, last_resort, stock.day, stock.claims))
    draft.bundles.put(device, op.bundle)
    answer = Stocked(end - stock.first, bool(last_resort))
    expires = draft.expires(draft.time + KEY_MS)
    draft.puts.put((device, op.key), PutRow(answer.one_time, answer.last_resort, expires))
    return answer


def claim_key_package(draft: Draft, op: ClaimKeyPackage) -> Outcome:
    device = DeviceId(op.device)
    known = draft.claims.get((device, op.suite, op.key))
    if known is not None and known.expires > draft.time:
        return Claimed(known.package, known.bundle, known.last_resort, known.at)
    stock = draft.stocks.get((device, op.suite))
    bundle = draft.bundles.get(device)
    if stock is None or bundle is None or not _in_force(draft, device):
        return _NO_KEY_PACKAGE
    day = draft.time // DAY_MS
    claims = stock.claims if stock.day == day else 0
    if claims >= CLAIMS_PER_DAY:
        return refused(ErrorCode.LIMITED, ((day + 1) * DAY_MS - draft.time + SECOND_MS - 1) // SECOND_MS)
    package = None if stock.first == stock.end else draft.packages.get((device, op.suite, stock.first))
    if package is not None:
        draft.packages.drop((device, op.suite, stock.first))
        first = stock.first + 1
    elif stock.last_resort:
        first = stock.first
    else:
        return _NO_KEY_PACKAGE
    draft.stocks.put((device, op.suite), StockRow(first, stock.end, stock.last_resort, day, claims + 1))
    answer = Claimed(package or stock.last_resort, bundle, package is None, draft.time)
    row = ClaimRow(answer.package, bundle, answer.last_resort, answer.at, draft.expires(draft.time + KEY_MS))
    draft.claims.put((device, op.suite, op.key), row)
    return answer


def _in_force(draft: Draft, device: DeviceId) -> bool:
    return draft.register is not None and draft.register.device_in_force(device)
