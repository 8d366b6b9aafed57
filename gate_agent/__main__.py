"""Entry point of the console script `egate` and of `python -I -m gate_agent`."""

from __future__ import annotations

import sys

from gate_agent.cli import main as run_command


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_command())


if __name__ == "__main__":
    main()
