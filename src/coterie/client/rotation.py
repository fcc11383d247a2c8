"""A new generation of the coterie key: stored first, then appended, and sent to the others only when accepted."""

from coterie.client.chores import ChoreKind
from coterie.client.registration import Registration
from coterie.client.state import DeviceState
from coterie.ids import CoterieKey
from coterie.trust import Register, RegisterError
from coterie.trust.author import rotate_key


async def rotate(state: DeviceState, registration: Registration) -> None:
    """Rotate if it is still due. After a crash the stored key is used again. `after_register` announces it."""
    register = state.register.state
    if register.rotation_due is None:
        _finish(state)
        return
    generation = register.generation + 1
    key = state.store.register.unannounced_key(generation)
    if key is None:
        key = CoterieKey(state.random(32))
        with state.groups.changing():
            state.store.register.put_key(generation, key, announced=False)
    new_key = key

    def make(current: Register) -> bytes:
        return rotate_key(
            current,
            state.own.key,
            old_key=state.register.current_key(),
            new_key=new_key,
            now_ms=state.now(),
            nonce=state.random(12),
        )

    try:
        await registration.append(make)
    except RegisterError:
        # somebody else was faster, or the power is gone
        if state.register.state.rotation_due is not None:
            raise
    _finish(state)


def _finish(state: DeviceState) -> None:
    with state.groups.changing():
        state.store.chores.finish(ChoreKind.ROTATE_KEY, b"")
