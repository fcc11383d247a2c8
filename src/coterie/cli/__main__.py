"""`python -m coterie.cli`: the same as `coterie`."""

from coterie.cli.main import main

main()
