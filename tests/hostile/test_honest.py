"""The control: with an honest twin everything works and nobody is alarmed."""

from tests.hostile.scene import Scene


async def test_an_honest_twin_alarms_nobody(scene: Scene) -> None:
    await scene.ada.device.send(scene.crew, "one")
    await scene.bo.device.send(scene.crew, "two")
    for person in scene.people * 2:
        await person.sync()
    for person in scene.people:
        assert person.texts(scene.crew) == ["good morning", "one", "two"]
        assert person.all_alarms() == []
