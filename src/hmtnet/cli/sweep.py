"""``hmtnet sweep``: how far a sweep is, also while it runs, and going on with it."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from hmtnet.cli.sweep_table import closing
from hmtnet.errors import HmtnetError, SettingsError, nearest
from hmtnet.storage import trials

USAGE = (
    "Expected: hmtnet sweep status <name> [runs=<folder>] [format=text|json], or "
    "hmtnet sweep continue <name> [runs=<folder>] [hydra.sweeper.n_trials=<more>, …]"
)


def sweep(words: Sequence[str]) -> int:
    """Run ``hmtnet sweep`` and return the exit code.

    Raises:
        SettingsError: The words make no sense.
        HmtnetError: There is no such sweep.
    """
    names = [word for word in words if "=" not in word]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    folder = Path(options.pop("runs", "runs")) / "sweeps"
    form = options.get("format", "text")
    if len(names) != 2 or names[0] not in ("status", "continue") or form not in ("text", "json"):
        raise SettingsError(f"{USAGE}; found: hmtnet sweep {' '.join(words)}.")
    found = trials.read_sweep(folder / trials.folder_name(names[1]))
    if found is None:
        known = [path.parent.name for path in folder.glob("*/sweep.json")]
        raise HmtnetError(f"No sweep '{names[1]}' in {folder}.{nearest(names[1], known)}")
    if names[0] == "continue":
        from hmtnet.cli.train import train

        if not found.command:
            raise HmtnetError(
                f"{folder / names[1]} does not say which command began it. Give its command again."
            )
        more = [f"{name}={value}" for name, value in options.items()]
        before = [word for word in found.command if word.partition("=")[0] not in options]
        return train([*before, *more, f"sweep_name={names[1]}", f"runs={folder.parent}"])
    if options.keys() - {"format"}:
        raise SettingsError(f"{USAGE}; found: hmtnet sweep {' '.join(words)}.")
    print(closing(folder / names[1], form))
    if form == "text":
        print(_left(found, trials.read_trials(folder / names[1])))
    return 0


def _left(sweep: trials.Sweep, found: Sequence[trials.Trial]) -> str:
    """Say how many trials are to come, and about how long they take."""
    ended = [trial for trial in found if trial.state in trials.ENDED]
    left = sweep.n_trials - len(ended)
    if left <= 0:
        return "all trials have ended"
    took = [trial.seconds for trial in ended if trial.seconds is not None]
    running = sum(trial.state == "running" for trial in found)
    about = f", about {mean(took) * left / max(1, running) / 60:.0f} minutes" if took else ""
    return f"{left} of {sweep.n_trials} trials to come{about}; hmtnet sweep continue goes on"
