"""Key packages: one pop each, the last resort stays, a retry gets the same."""

from coterie.ids import DeviceId
from coterie.server.rules.limits import CLAIMS_PER_DAY, PACKAGES_PER_DEVICE
from coterie.server.rules.outcomes import Claimed, NotInForce, Outcome, Refused, Stocked
from coterie.server.rules.record import ClaimKeyPackage
from tests.server.rules.scene import SECOND, SUITE, Scene, a_key, bytes_of, packages_of
from tests.trust.cast import DAY


def claim(scene: Scene, label: str, suite: int = SUITE) -> ClaimKeyPackage:
    return ClaimKeyPackage(scene.stage.founder.device_id, suite, a_key(f"claim {label}"))


def claimed(package: str, last_resort: bool = False, at: int | None = None, scene: Scene | None = None) -> Outcome:
    return Claimed(bytes_of(package, 200), bytes_of("bundle a", 100), last_resort, at or (scene.now if scene else 0))


def test_each_package_is_popped_once_and_the_last_resort_stays(scene: Scene) -> None:
    assert scene.send(packages_of(scene.stage.founder.device_id, "a", 2)) == [Stocked(2, True)]
    first = scene.send(claim(scene, "1"), claim(scene, "2"), claim(scene, "3"))
    assert first == [
        claimed("a 0", scene=scene),
        claimed("a 1", scene=scene),
        claimed("last resort a", last_resort=True, scene=scene),
    ]
    assert scene.send(claim(scene, "4")) == [claimed("last resort a", last_resort=True, scene=scene)]


def test_claim_repeated_after_a_lost_reply_gets_the_same_package(scene: Scene) -> None:
    scene.send(packages_of(scene.stage.founder.device_id, "a", 3))
    at = scene.now
    assert scene.send(claim(scene, "1"), claim(scene, "1")) == [claimed("a 0", at=at)] * 2
    scene.now += DAY
    assert scene.send(claim(scene, "2"), claim(scene, "1")) == [claimed("a 1", scene=scene), claimed("a 0", at=at)]
    with scene.view.reader() as reader:
        assert reader.stock(scene.stage.founder.device_id, SUITE) == (1, True)


def test_packages_put_again_after_a_lost_reply_are_not_added_again(scene: Scene) -> None:
    put = packages_of(scene.stage.founder.device_id, "a", 2)
    assert scene.send(put) == [Stocked(2, True)]
    scene.send(claim(scene, "1"))
    assert scene.send(put) == [Stocked(2, True)]
    assert scene.send(claim(scene, "2")) == [claimed("a 1", scene=scene)]
    assert scene.send(claim(scene, "3")) == [claimed("last resort a", last_resort=True, scene=scene)]


def test_device_without_packages_or_of_another_suite_gives_none(scene: Scene) -> None:
    assert scene.send(claim(scene, "1")) == [Refused("no_key_package")]
    scene.send(packages_of(scene.stage.founder.device_id, "a", 1, last_resort=False))
    assert scene.send(claim(scene, "1", suite=3)) == [Refused("no_key_package")]
    assert scene.send(claim(scene, "1"), claim(scene, "2")) == [claimed("a 0", scene=scene), Refused("no_key_package")]


def test_stranger_cannot_stock_packages(scene: Scene) -> None:
    assert scene.send(packages_of(DeviceId(bytes_of("stranger", 16)), "a", 1)) == [NotInForce()]


def test_drained_device_is_left_alone_until_the_next_day(scene: Scene) -> None:
    scene.send(packages_of(scene.stage.founder.device_id, "a", 0))
    scene.send(*[claim(scene, str(number)) for number in range(CLAIMS_PER_DAY)])
    left = DAY - scene.now % DAY
    assert scene.send(claim(scene, "one more")) == [Refused("limited", left // SECOND)]
    scene.now += left - 1
    assert scene.send(claim(scene, "one more")) == [Refused("limited", 1)]
    scene.now += 1
    assert isinstance(scene.send(claim(scene, "one more"))[0], Claimed)


def test_stock_has_a_limit(scene: Scene) -> None:
    device = scene.stage.founder.device_id
    for number in range(PACKAGES_PER_DEVICE // 50):
        assert scene.send(packages_of(device, str(number), 50)) == [Stocked(50 * (number + 1), True)]
    assert scene.send(packages_of(device, "more", 1)) == [Refused("limited")]


def test_newest_bundle_counts(scene: Scene) -> None:
    device = scene.stage.founder.device_id
    scene.send(packages_of(device, "a", 1), packages_of(device, "b", 0, last_resort=False))
    with scene.view.reader() as reader:
        assert reader.bundles([device, device]) == [bytes_of("bundle b", 100)] * 2
        assert reader.stock(device, SUITE) == (1, True)
