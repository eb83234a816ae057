"""The entry point: runs the command line and turns problems into one message and an exit code."""

from __future__ import annotations

import signal
import sys

from serbench.errors import SerbenchError

# what typer makes of Ctrl-C, and what a shell makes of SIGTERM, which clusters send
_ENDINGS = {130: "interrupted", 128 + signal.SIGTERM: "terminated"}


def main() -> None:
    """Run `serbench`; exit 2 with a message for a problem of the user, 130 or 143 if stopped."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        from serbench.cli import app

        app()
    except SerbenchError as error:
        sys.exit(_say(f"error: {error}", 2))
    except OSError as error:
        if error.strerror is None:
            raise
        where = f"'{error.filename}': " if error.filename else ""
        text = f"error: {where}{error.strerror}; what is finished is kept, the same command goes on"
        sys.exit(_say(text, 2))
    except SystemExit as end:
        if end.code in _ENDINGS:
            text = "the same command goes on from there, `pretrain` with --resume"
            sys.exit(_say(f"{_ENDINGS[end.code]}; {text}", end.code))
        raise


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"serbench: {text}\n")
    return code


if __name__ == "__main__":
    main()
