"""Finished stages on the Hugging Face hub, by addresses such as ``hf://owner/name``.

The hub's own settings count: ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_OFFLINE``.
"""

import functools
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hmtnet.artifact.description import META_FILE
from hmtnet.artifact.digests import SCENES_FILE, WEIGHTS_FILE
from hmtnet.errors import ArtifactError
from hmtnet.files import OFFLINE, is_offline

HUB = "hf://"
CARD_FILE = "card.md"
FILES = (META_FILE, WEIGHTS_FILE, SCENES_FILE, CARD_FILE)
"""What is taken from the hub; nothing else that lies there is looked at."""

_NAME = r"[\w-]+(?:\.[\w-]+)*"
_ADDRESS = re.compile(rf"{HUB}({_NAME}/{_NAME})(?:@([\w.-]+))?", re.ASCII)


def parse(address: str) -> tuple[str, str | None]:
    """Return owner and name of an address, and its branch, tag or commit if it names one.

    >>> parse("hf://somebody/judge@v1"), parse("hf://somebody/judge")
    (('somebody/judge', 'v1'), ('somebody/judge', None))

    Raises:
        ArtifactError: It is none.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise ArtifactError(
            f"'{address}' is no address on the hub. Expected hf://owner/name, or "
            "hf://owner/name@revision."
        )
    return found[1], found[2]


@functools.cache
def fetch(address: str) -> Path:
    """Return a folder that holds a model of the hub; asks the hub once in a process.

    What the hub's cache holds serves where the hub cannot be reached, or where one of
    ``HMTNET_OFFLINE`` and ``HF_HUB_OFFLINE`` forbids to ask it. Whether its files are as they were
    written is checked when they are read, as of any stage.

    Raises:
        ArtifactError: There is no such model, it is no model of hmtnet, or it cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name, revision = parse(address)
    offline = is_offline()
    wanted = list(FILES)
    try:
        with _quiet_hub():
            folder = Path(
                snapshot_download(
                    name, revision=revision, allow_patterns=wanted, local_files_only=offline
                )
            )
    except RepositoryNotFoundError as error:  # also of what one may not see
        raise ArtifactError(
            f"The hub shows no model {address}. Correct its name; if it is private or gated, log "
            "in (hf auth login, or HF_TOKEN=<token>)."
        ) from error
    except RevisionNotFoundError as error:
        raise ArtifactError(
            f"The hub's model {name} has no revision '{revision}'. Give one of its branches, tags "
            "or commits, or none."
        ) from error
    except LocalEntryNotFoundError as error:
        reason = f"{OFFLINE} forbids to ask the hub" if offline else "the hub cannot be reached"
        raise ArtifactError(
            f"{address} is not in the hub's cache, and {reason}. Fetch it while connected, or give "
            "a run directory."
        ) from error
    except Exception as error:  # whatever networks and servers come up with
        raise ArtifactError(
            f"{address} cannot be fetched ({_said(error)}). Try again, or give a run directory."
        ) from error
    if not (folder / META_FILE).is_file():
        raise ArtifactError(
            f"{address} is no model of hmtnet: it has no {META_FILE}. Give another one, or push "
            "one with hmtnet push."
        )
    return folder


def upload(folder: Path, address: str, private: bool = False) -> str:
    """Write the files of a folder to a model of the hub, which is made if it is not there.

    Args:
        folder: All its files are sent, in one commit.
        address: Where to.
        private: Whether a new one is hidden from others.

    Returns:
        The address of the commit.

    Raises:
        ArtifactError: One may not write there, or the hub cannot be reached.
    """
    from huggingface_hub import HfApi

    name, revision = parse(address)
    if is_offline():
        raise ArtifactError(f"{OFFLINE} forbids to ask the hub. Unset it, and push again.")
    api = HfApi()
    try:
        with _quiet_hub():
            api.create_repo(name, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=name,
                folder_path=folder,
                revision=revision,
                commit_message="A model of hmtnet",
            )
    except Exception as error:  # whatever networks and servers come up with
        if getattr(getattr(error, "response", None), "status_code", None) in (401, 403):
            raise ArtifactError(
                f"The hub does not let you write to {address}. Log in with a token that may (hf "
                "auth login, or HF_TOKEN=<token>), or give another owner."
            ) from error
        raise ArtifactError(
            f"{address} cannot be written ({_said(error)}). Try again when the hub is reached."
        ) from error
    return f"{HUB}{name}@{commit.oid}"


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep the hub's library from telling on its own what we tell in one message."""
    from huggingface_hub.utils import logging as library
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    bars, verbosity = not are_progress_bars_disabled(), library.get_verbosity()
    disable_progress_bars()
    library.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        library.set_verbosity(verbosity)
        if bars:
            enable_progress_bars()


def _said(error: Exception) -> str:
    """Say what went wrong, on one line and not at length."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
