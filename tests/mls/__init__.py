"""What `coterie_mls` promises, driven from Python as the client drives it: real keys, real groups, rows in a dict."""
