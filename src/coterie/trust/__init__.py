"""Who belongs to a coterie, and how everybody finds the same answer (docs/protocol/register.md, invite.md)."""
