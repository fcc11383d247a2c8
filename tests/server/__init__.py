"""The server as its devices and its operators meet it: real engine, TLS, SQLite; devices speak frames directly."""
