"""Which commit of the hub a branch, a tag or the newest of published weights is."""

from __future__ import annotations

import re
from pathlib import Path


def commit_of(identity: str, revision: str | None) -> str | None:
    """Return the commit (40 hex), as the hub says, or else the cache of earlier downloads.

    Args:
        identity: hub id, `owner/name`.
        revision: branch, tag or commit; None for the newest.

    Returns:
        None if neither knows; the weights are then not there either.
    """
    if revision is not None and re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import snapshot_download

    try:  # it names the folder by the commit, and no file is asked for
        folder = Path(snapshot_download(identity, revision=revision, allow_patterns=[]))
    except (OSError, ValueError):
        return None
    return folder.name if re.fullmatch("[0-9a-f]{40}", folder.name) else None
