"""The entry point of `ivr`."""

import os

from ivr.garbage import nothing_to_find


def main() -> None:
    """Import the commands, and run the one that is asked for."""
    # numpy starts a thread for each processor otherwise, to multiply matrices, which nobody does.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with nothing_to_find():
        from ivr import cli
    cli.main()


if __name__ == "__main__":
    main()
