"""The table of docs/reliability.md: inputs by kind, and what came of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from hmtnet.files import write_text

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- made by fuzzing: from here -->", "<!-- fuzzing: to here -->"
HEAD = "| what comes in | inputs | read | refused | as |\n|---|---|---|---|---|"


def row(kind: str, found: Mapping[str, int]) -> str:
    """Return a line of the table.

    Args:
        kind: What comes in.
        found: How many inputs were read (``"read"``), or refused, by the error's class.
    """
    read = found.get("read", 0)
    errors = Counter({name: count for name, count in found.items() if name != "read"})
    told = ", ".join(f"{name} {count:,}" for name, count in errors.most_common())
    refused = errors.total()
    return f"| {kind} | {read + refused:,} | {read:,} | {refused:,} | {told or '–'} |"


def write(tried: Mapping[str, Mapping[str, int]], kinds: Sequence[str], page: Path = PAGE) -> None:
    """Put the lines of what was tried into their place on a page; others stay as they are.

    Args:
        tried: By kind, what came of its inputs.
        kinds: All kinds there are, in order; lines of others go.
        page: A page with the two marks of the table.
    """
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    lines = {line.split("|")[1].strip(): line for line in old.splitlines() if "|" in line}
    lines |= {kind: row(kind, found) for kind, found in tried.items()}
    told = [lines[kind] for kind in kinds if kind in lines]
    total = sum(int(re.sub(",", "", line.split("|")[2])) for line in told)
    table = "\n".join([HEAD, *told, "", f"{total:,} inputs of {len(told)} of {len(kinds)} kinds."])
    write_text(page, f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")
