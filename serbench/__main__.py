"""The entry point: runs the command line and turns problems into one message and an exit code."""

from __future__ import annotations

import sys  # and nothing else: Ctrl-C in what is imported here would be a traceback

# what typer makes of Ctrl-C, and what a shell makes of SIGTERM, which clusters send
_ENDINGS = {130: "interrupted", 143: "terminated"}
_SOON = 0.05  # seconds


def main() -> None:
    """Run `serbench`; exit 2 with a message for a problem of the user, 130 or 143 if stopped."""
    try:
        _run()
    except KeyboardInterrupt:  # before typer looked for it
        sys.exit(_ended(130))


def _run() -> None:
    import io
    import signal

    from serbench.errors import SerbenchError, no_memory

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # what the terminal's encoding cannot show is no reason to lose what was computed
            stream.reconfigure(errors="replace")
    sys.unraisablehook = _arrive_again
    try:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
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
    except (MemoryError, RuntimeError) as error:
        if (full := no_memory(error)) is None:
            raise
        sys.exit(_say(f"error: {full}", 2))
    except SystemExit as end:
        if end.code in _ENDINGS:
            sys.exit(_ended(int(end.code)))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # all is done and said
        raise


def _arrive_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a signal that came while Python removed an object, where its exception is lost."""
    import os
    import signal
    from threading import Timer

    if issubclass(lost.exc_type, KeyboardInterrupt):
        number = signal.SIGINT
    elif isinstance(lost.exc_value, SystemExit) and lost.exc_value.code in _ENDINGS:
        number = signal.SIGTERM
    else:
        sys.__unraisablehook__(lost)
        return
    Timer(_SOON, os.kill, [os.getpid(), number]).start()


def _ended(code: int) -> int:
    text = "the same command goes on from there, `pretrain` with --resume"
    return _say(f"{_ENDINGS[code]}; {text}", code)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"serbench: {text}\n")
    return code


if __name__ == "__main__":
    main()
