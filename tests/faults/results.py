"""What became of each case, kept so that a done case is not done again."""

import dataclasses
import json
from pathlib import Path

from hmtnet.files import digest_file, digest_text
from tests.faults.judge import Outcome
from tests.faults.scene import Case


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
        case: Its name.
        fault: What happened.
        system: To which system; empty where to none.
        outcome: What came of it; None where this machine could not let it happen.
        why: Why it was no better.
    """

    case: str
    fault: str
    system: str
    outcome: str | None
    why: str

    @property
    def bad(self) -> bool:
        """Whether it must not be so."""
        return self.outcome in (Outcome.WRONG, Outcome.TRACEBACK)


class Results:
    """A file with one line of JSON per case; several processes may add to it.

    Attributes:
        path: The file.
        found: What it holds, by the cases' names; of one that was done again the last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Result] = {}
        self.read()

    def read(self) -> None:
        """Read what there is."""
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                result = Result(**json.loads(line))
                self.found[result.case] = result

    def add(self, case: Case, outcome: Outcome | None, why: str) -> None:
        """Add what became of a case."""
        result = Result(case.id, case.fault, case.system, outcome, why[:2000])
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dataclasses.asdict(result)) + "\n")


def sources_digest(root: Path) -> str:
    """Return 12 digits over all that decides what hmtnet does: its code and its configuration."""
    paths = sorted([*root.glob("src/**/*.py"), *root.glob("conf/**/*.yaml")])
    return digest_text("\n".join(f"{path.name} {digest_file(path)}" for path in paths), 12)
