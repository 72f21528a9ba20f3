"""`python -m auth_core.cli`."""

from auth_core.cli import main

main()
