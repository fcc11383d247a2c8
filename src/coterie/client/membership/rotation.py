"""A new generation of the coterie key: stored first, then appended, and sent to the others only when accepted."""

from coterie.client.chores import ChoreKind
from coterie.client.membership.registration import Registration
from coterie.client.state import DeviceState
from coterie.ids import CoterieKey
from coterie.trust import Register, RegisterError
from coterie.trust.author import rotate_key


class _Overtaken(Exception):
    """Somebody else rotated meanwhile: the key that was made is for a generation that is taken."""


async def rotate(state: DeviceState, registration: Registration, *, lost: bool = False) -> None:
    """Rotate if it is still due, or if the present key is `lost` to everybody. After a crash the stored key of the same
    generation is used again. `after_register` announces it."""
    if state.register.current_key() is None and not lost:
        # a key that does not open the one before would hide all names from who joins later: wait for it
        with state.groups.changing():
            state.store.chores.plan(ChoreKind.ROTATE_KEY, b"", state.now() + ChoreKind.ROTATE_KEY.every_ms)
        return
    while state.register.state.rotation_due is not None or (lost and state.register.current_key() is None):
        try:
            await _append(state, registration)
        except _Overtaken:
            continue
        except RegisterError:
            # the power is gone, or somebody else was faster
            if state.register.state.rotation_due is not None:
                raise
    with state.groups.changing():
        state.store.chores.finish(ChoreKind.ROTATE_KEY, b"")


async def _append(state: DeviceState, registration: Registration) -> None:
    generation = state.register.state.generation + 1
    key = state.store.register.unannounced_key(generation)
    if key is None:
        key = CoterieKey(state.random(32))
        with state.groups.changing():
            state.store.register.put_key(generation, key, announced=False)
    new_key = key

    def make(current: Register) -> bytes:
        if current.generation + 1 != generation:
            raise _Overtaken
        old_key, nonce = state.register.current_key(), state.random(12)
        return rotate_key(current, state.own.key, old_key=old_key, new_key=new_key, now_ms=state.now(), nonce=nonce)

    await registration.append(make)
