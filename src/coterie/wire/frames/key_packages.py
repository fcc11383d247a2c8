"""A device's key packages and bundle: left by itself, taken by whoever adds it to a room."""

from typing import Annotated

from msgspec import Meta

from coterie.wire import limits
from coterie.wire.fields import BundleBytes, Device, Key, KeyPackageBytes, Number, Suite
from coterie.wire.frames.frame import Frame


class PutKeyPackages(Frame, tag=23, frozen=True):
    """Add one-time packages of one suite, set the last resort if given, and the bundle; a device's own only. → Stock"""

    id: Number
    suite: Suite
    bundle: BundleBytes
    packages: Annotated[list[KeyPackageBytes], Meta(max_length=limits.PACKAGES_PER_PUT)]
    last_resort: KeyPackageBytes | None
    key: Key


class KeyPackageStock(Frame, tag=24, frozen=True):
    """How many one-time packages of `suite` this device has left. → Stock"""

    id: Number
    suite: Suite


class Stock(Frame, tag=74, frozen=True):
    id: Number
    suite: Suite
    one_time: Number
    last_resort: bool


class ClaimKeyPackage(Frame, tag=25, frozen=True):
    """Pop one package of `device`; the same `key` again answers the same package. → Claimed"""

    id: Number
    device: Device
    suite: Suite
    key: Key


class Claimed(Frame, tag=75, frozen=True):
    """`at` is the log time of the claim: by it the freshness of the bundle is judged."""

    id: Number
    package: KeyPackageBytes
    bundle: BundleBytes
    last_resort: bool
    at: Number


class GetBundles(Frame, tag=26, frozen=True):
    """The newest bundles of up to 64 devices. → Bundles"""

    id: Number
    devices: Annotated[list[Device], Meta(min_length=1, max_length=64)]


class Bundles(Frame, tag=76, frozen=True):
    """In the order asked; None for a device that has none."""

    id: Number
    bundles: list[BundleBytes | None]
