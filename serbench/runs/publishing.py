"""What is made to be published says nothing of where files lie on the machine that made it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from serbench.errors import shown
from serbench.home import home

# What a path may go on with, on either side, where a folder's name is only a piece of it.
_GOES_ON = r"[\w.~/-]"


def folders_of(paths: Iterable[str]) -> list[Path]:
    """Return the folders of this machine that texts may name, and all above them, longest first.

    Args:
        paths: of the corpus' files.
    """
    above = {Path(path).absolute().parent for path in paths}
    own = [Path.cwd(), Path.home(), home().absolute()]
    named = [Path(os.path.normpath(each)) for each in (*above, *own)]
    roots = {*named, *(each.resolve() for each in named)}
    known = {each for root in roots for each in (root, *root.parents)}
    return sorted((each for each in known if each.name), key=lambda each: -len(str(each)))


def publishable(text: str, folders: Iterable[Path]) -> str:
    """Return a text of others in one line that a record takes, files by their names alone.

    Args:
        text: such as what is wrong with a recording.
        folders: of this machine, as `folders_of` returns them.

    >>> publishable("no such file '/home/me/speech/a.wav'", [Path("/home/me/speech")])
    "no such file 'a.wav'"
    """
    line = " ".join(text.split())
    for folder in folders:
        if str(folder) in line:
            here = rf"(?<!{_GOES_ON}){re.escape(str(folder))}(?:/+|(?!{_GOES_ON}))"
            line = re.sub(here, "", line)
    return shown(line)
