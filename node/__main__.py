"""`python -m node …` is `lantern …`."""

from node.cli import main

main()
