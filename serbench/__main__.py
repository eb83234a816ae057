"""The entry point: runs the command line and turns problems into one message and an exit code."""

from __future__ import annotations

import sys

from serbench.errors import SerbenchError

_INTERRUPTED = 130  # what typer makes of Ctrl-C


def main() -> None:
    """Run `serbench`; exit 2 with a message for a problem of the user, 130 if interrupted."""
    from serbench.cli import app

    try:
        app()
    except SerbenchError as error:
        sys.exit(_say(f"error: {error}", 2))
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            text = "interrupted; the same command goes on from there, `pretrain` with --resume"
            sys.exit(_say(text, _INTERRUPTED))
        raise


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"serbench: {text}\n")
    return code


if __name__ == "__main__":
    main()
