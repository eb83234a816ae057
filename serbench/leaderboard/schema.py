"""The JSON schema of a record, for programs that read or write them without serbench.

`record.schema.json` beside this file is what `serbench leaderboard schema` prints. What it cannot
say, the reader still looks at: the checksum, the digest of the recipe, that no text has characters
that nobody sees, and that the predictions beside it are those of the record.
"""

from __future__ import annotations

import json
from typing import Any

from serbench.leaderboard.record import FORMAT, Result


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) of what the reader accepts."""
    made = Result.model_json_schema()
    for part in made["$defs"].values():
        if "kind" in part.get("properties", {}):  # which tells tasks apart
            part["required"] = ["kind", *part["required"]]
    # the reader looks for it first, so that it can name what is newer
    required = ["format", *made["required"]]
    named = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return named | made | {"title": f"serbench result, format {FORMAT}", "required": required}


def as_text() -> str:
    """Return the schema as it is published."""
    return json.dumps(schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
