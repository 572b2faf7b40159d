"""The command line: `conche --help`. Light, so that Ctrl-C is heeded from the first moment on."""

from __future__ import annotations

import sys

from conche.loading import loading

_INTERRUPTED = 130  # what a shell calls an end by SIGINT


def main() -> None:
    """Run the command that the arguments name."""
    try:
        with loading():
            from conche.commands import run_command  # noqa: PLC0415 - takes its time
        run_command()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


if __name__ == "__main__":
    main()
