"""What TeX's scanner would complain of in a table, as far as that can be known without TeX.

It reads escapes, groups, comments, mathematics, environments and alignments as TeX does, and knows
the commands of LaTeX and booktabs that tables use. It typesets nothing: overfull lines, or letters
that a font lacks, are not seen.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|[{}$&%#^_~]|[^\\{}$&%#^_~]+", re.DOTALL)
_COMMANDS = {
    *("caption", "centering", "toprule", "midrule", "bottomrule", "bfseries", "begin", "end"),
    *("pm", "cdot", "times", "dots", "textendash", "textless", "textgreater", "textbar"),
    *("textbackslash", "textasciitilde", "textasciicircum", "textasciigrave"),
}
_MATHS = {"pm", "cdot", "times"}


def complaints(text: str) -> list[str]:
    """Return what is wrong with a document's body of tables."""
    body = "\n".join(line for line in text.split("\n") if not line.startswith("%"))
    found, groups, maths, open_ = [], 0, False, []
    for match in _TOKEN.finditer(body):
        token = match[0]
        if re.fullmatch(r"\\[A-Za-z]+", token):
            name = token[1:]
            if name not in _COMMANDS:
                found.append(f"unknown command {token}")
            if (name in _MATHS) != maths:
                found.append(f"{token} {'in' if maths else 'out of'} mathematics")
            if name in ("begin", "end"):
                environment = re.match(r"\{(\w+)\}", body[match.end() :])[1]
                if name == "begin":
                    open_.append(environment)
                elif not open_ or open_.pop() != environment:
                    found.append(f"{environment} ends but did not begin")
        elif token == "{":
            groups += 1
        elif token == "}":
            groups -= 1
            found += ["} too many"] * (groups < 0)
        elif token == "$":
            maths = not maths
        elif token == "&" and open_[-1:] != ["tabular"]:
            found.append("& outside of a table")
        elif token in ("%", "#", "^", "_"):
            found.append(f"{token} as it stands")
        elif token.startswith("\\") and token[1] not in "\\&%$#_{},":
            found.append(f"unknown command {token!r}")
        found += ["a paragraph ends in a group or in mathematics"] * (
            "\n\n" in token and bool(groups or maths)
        )
    found += [f"an argument of {each}" for each in re.findall(r"(\\\\|\\midrule)\s*[\[*]", body)]
    found += ["{ too many"] * (groups > 0) + ["$ too many"] * maths + [f"open: {e}" for e in open_]
    return [*found, *_uneven(body)]


def _uneven(body: str) -> list[str]:
    found = []
    for columns, rows in re.findall(
        r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", body, re.DOTALL
    ):
        lines = [line for line in rows.split("\n") if line.endswith(r"\\")]
        cells = {len(re.findall(r"(?<!\\)(?:\\\\)*&", line[:-2])) + 1 for line in lines}
        if cells != {len(columns)}:
            found.append(f"{len(columns)} columns, but {cells} cells")
    return found
