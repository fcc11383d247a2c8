"""The member's own name: stored as wished, published in the register once the coterie key is here."""

from coterie.client.membership.registration import Registration
from coterie.client.state import DeviceState
from coterie.store.facts import Fact
from coterie.trust import Register
from coterie.trust.author import set_profile


async def publish_name(state: DeviceState, registration: Registration) -> None:
    """Publish the wished name, if there is one and its key is here. Returns after it is in the register."""
    name = state.store.facts.get(Fact.PROFILE_NAME)
    if name is None or state.register.current_key() is None or state.clock_apart:
        return
    wished = name.decode()

    def make(register: Register) -> bytes:
        key = state.register.key_of(register.generation)
        nonce = state.random(12)
        return set_profile(register, state.own.key, wished, coterie_key=key, now_ms=state.now(), nonce=nonce)

    if state.register.names.members.get(state.own.member) != wished:
        await registration.append(make)
    with state.groups.changing():
        state.store.facts.forget(Fact.PROFILE_NAME)
    state.changed()
