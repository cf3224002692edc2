"""``hmtnet runs list | show | rm | prune``: what lies under the folder of runs, and its removal."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hmtnet.artifact.description import META_FILE, changed_of, is_verifiable, read_document
from hmtnet.artifact.digests import RECORDED
from hmtnet.errors import ArtifactError, HmtnetError, SettingsError, nearest, printable
from hmtnet.files import size_words
from hmtnet.report.render.formats import DASH, counted
from hmtnet.report.render.terminal import cell, text_table
from hmtnet.storage.inventory import (
    UNFINISHED,
    FoundRun,
    files_in,
    find_runs,
    may_use,
    size_of,
    users_of,
)
from hmtnet.storage.removal import leftovers, remove_leftovers, remove_run


def runs(arguments: Sequence[str]) -> int:
    """Run ``hmtnet runs …`` and return the exit code.

    Raises:
        SettingsError: There is no such folder or run, or nobody can be asked.
        HmtnetError: A run is in use, or cannot be removed.
    """
    given = _parser().parse_args(arguments)
    if not given.runs.is_dir():
        raise SettingsError(f"No folder of runs: {given.runs}. Name it with --runs.")
    commands = {"list": _list, "show": _show, "rm": _rm, "prune": _prune}
    commands[given.command](given, find_runs(given.runs))
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of runs (runs)")
    printed = argparse.ArgumentParser(add_help=False)
    printed.add_argument("--format", choices=("text", "json"), default="text")
    asked = argparse.ArgumentParser(add_help=False)
    asked.add_argument("--yes", action="store_true", help="remove without being asked")
    parser = argparse.ArgumentParser(
        prog="hmtnet runs",
        description="Look after run directories. Links are never followed.",
        epilog="example: hmtnet runs rm joint-3f2a9c0d1b2e",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "list", parents=[shared, printed], help="state and size of each run, and what uses it"
    )
    one = commands.add_parser("show", parents=[shared, printed], help="all that is known of a run")
    one.add_argument("run", help="its folder, the folder's name, or its key")
    some = commands.add_parser("rm", parents=[shared, asked], help="remove runs")
    some.add_argument("run", nargs="+", help="folders, their names, or keys")
    rest = commands.add_parser(
        "prune", parents=[shared, asked], help="remove what killed processes have left"
    )
    rest.add_argument(
        "--unfinished",
        action="store_true",
        help="also whole runs that are interrupted, failed or incomplete, with what they would "
        "resume from",
    )
    return parser


def _list(given: argparse.Namespace, found: Sequence[FoundRun]) -> None:
    if given.format == "json":
        print(json.dumps([_document(run, found) for run in found], indent=2, ensure_ascii=False))
        return
    rows = [
        [
            _name(run, given.runs),
            run.state,
            size_words(run.size),
            cell(run.updated and run.updated[:16].replace("T", " ")),
            str(len(users_of(run, found)) or DASH),
            _size_of_all(leftovers(run)),
        ]
        for run in found
    ]
    print(text_table(["run", "state", "size", "updated (UTC)", "used by", "left over"], rows, 2))
    print(f"\n{counted(len(found), 'run')}, {size_words(sum(run.size for run in found))}")


def _show(given: argparse.Namespace, found: Sequence[FoundRun]) -> None:
    run = _chosen(given.run, given.runs, found)
    if given.format == "json":
        document = {**_document(run, found), "files": _verified(run)}
        print(json.dumps(document, indent=2, ensure_ascii=False))
        return
    below = [other for other in found if run.key and other.key in run.builds_on]
    lines = {
        "state": run.state + (f": {run.message}" if run.message else ""),
        "stage": run.stage,
        "key": cell(run.key),
        "size": size_words(run.size),
        "updated": cell(run.updated),
        "made from": _names(below, given.runs),
        "used by": _names(users_of(run, found), given.runs),
        "files": _verified(run),
        "left over": ", ".join(str(path.relative_to(run.path)) for path in leftovers(run)) or DASH,
    }
    told = [str(run.path), *(f"{name:<11}{text}" for name, text in lines.items())]
    print(printable("\n".join(told)))


def _rm(given: argparse.Namespace, found: Sequence[FoundRun]) -> None:
    chosen = list(dict.fromkeys(_chosen(word, given.runs, found) for word in given.run))
    _remove(chosen, [], given, found)


def _prune(given: argparse.Namespace, found: Sequence[FoundRun]) -> None:
    gone = UNFINISHED if given.unfinished else ("empty",)
    whole = [run for run in found if run.state in gone]
    _remove(whole, [run for run in found if run.state not in gone and leftovers(run)], given, found)


def _remove(
    whole: Sequence[FoundRun],
    parts: Sequence[FoundRun],
    given: argparse.Namespace,
    found: Sequence[FoundRun],
) -> None:
    """Say what would go, ask, and remove it: whole runs, and the leftovers of others."""
    if not whole and not parts:
        print("nothing to remove")
        return
    for run in whole:
        print(f"{_name(run, given.runs)}  {run.state}, {size_words(run.size)}")
        for told, others in (
            ("it is used by", users_of(run, found)),
            ("not finished, and may use it:", may_use(run, found)),
        ):
            if left := [other for other in others if other not in whole]:
                print(f"  {told} {_names(left, given.runs)}")
    for run in parts:
        print(f"{_name(run, given.runs)}  left over: {_size_of_all(leftovers(run))}")
    if not given.yes and not _agreed():
        print("nothing was removed")
        return
    for run in whole:
        remove_run(run)
    for run in parts:
        remove_leftovers(run)
    print(f"removed: {counted(len(whole), 'run')}, leftovers of {counted(len(parts), 'other')}")


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise SettingsError("Nobody can be asked here, so nothing was removed. Give --yes.")
    return input("Remove all of this? [y/N] ").strip().lower() in ("y", "yes")


def _chosen(word: str, folder: Path, found: Sequence[FoundRun]) -> FoundRun:
    """Return the run that is meant, which lies in the folder of runs."""
    path = Path(word).resolve()
    meant = [run for run in found if run.path.resolve() == path]
    meant = meant or [run for run in found if word in (run.path.name, run.key)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise HmtnetError(f"'{word}' is the name of several: {_names(meant, folder)}.")
    known = nearest(word, [run.path.name for run in found]) if len(found) < 50 else ""
    raise HmtnetError(f"No run '{word}' in {folder}.{known} hmtnet runs list shows what there is.")


def _document(run: FoundRun, found: Sequence[FoundRun]) -> dict[str, Any]:
    """Return what is known of a run, as JSON values."""
    return {
        **asdict(run),
        "path": str(run.path),
        "used_by": [str(other.path) for other in users_of(run, found)],
        "left_over": [str(path) for path in leftovers(run)],
    }


def _verified(run: FoundRun) -> str:
    """Say whether a run's files are as they were written."""
    if not (run.path / META_FILE).is_file():
        return "not recorded"
    try:
        document = read_document(run.path)
        changed = changed_of(run.path, document, RECORDED)
    except ArtifactError as error:
        return str(error)
    if changed:
        return "; ".join(f"{name} {reason}" for name, reason in changed.items())
    return "as they were written" if is_verifiable(document) else "not recorded: an older hmtnet"


def _name(run: FoundRun, folder: Path) -> str:
    return printable(str(run.path.relative_to(folder)))


def _names(found: Iterable[FoundRun], folder: Path) -> str:
    return ", ".join(_name(run, folder) for run in found) or DASH


def _size_of_all(paths: Sequence[Path]) -> str:
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
    return size_words(sum(map(size_of, files))) if files else DASH
