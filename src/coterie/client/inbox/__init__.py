"""What devices say to one another outside rooms: entries read and posted, key packages kept and claimed."""
