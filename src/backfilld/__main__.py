"""`python -m backfilld` is `backfilld`."""

from backfilld.cli.main import main

main()
