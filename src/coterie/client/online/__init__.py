"""The device while it is connected: the session, who shares it, and the work that is no room's."""
