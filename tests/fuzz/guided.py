"""A coverage-guided fuzzer in front of one reader.

    python guided.py READER [OPTION OF LIBFUZZER...] FOLDER...

It takes atheris (`pip install atheris`; Linux). `-merge=1 NEW OLD` keeps of OLD what covers more.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    """Never returns: libFuzzer ends the process."""
    name, *options = sys.argv[1:]
    # all the while, since readers import what they need when they need it
    with atheris.instrument_imports(include=["serbench", "tomllib"]):
        from readers import READERS

        atheris.Setup([sys.argv[0], *options], READERS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
