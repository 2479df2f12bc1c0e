"""`python -m gyral`: the command line."""

from gyral.cli.main import main

main()
