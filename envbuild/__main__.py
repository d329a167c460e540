"""The command line as a program: ``envbuild``, and ``python -m envbuild``."""

from __future__ import annotations

import gc
import sys

from envbuild import cli


def main() -> int:
    """Run the command line for this process, and return its exit code."""
    try:
        return cli.main()
    finally:
        # As it ends, Python searches all that it still holds for garbage: 9 of the 120 ms of a
        # ``lock --check``, for memory that the system takes back anyway.
        gc.freeze()


if __name__ == "__main__":
    sys.exit(main())
