"""``hmtnet serve``: a page that scores the images dropped on it."""

import argparse
import socket
from collections.abc import Sequence

from hmtnet.cli.composing import log_to_stderr
from hmtnet.cli.info import card_of, told_of
from hmtnet.cli.main import INTERRUPTED
from hmtnet.cli.score import add_model, check_model, load_scorer
from hmtnet.errors import SettingsError, TerminatedError


def serve(arguments: Sequence[str]) -> int:
    """Run ``hmtnet serve`` until it is interrupted, and return the exit code.

    Raises:
        ArtifactError: The model is missing, damaged, capped, or judges no image that comes alone.
        SettingsError: The model needs references, the port is taken, or a package is missing.
    """
    given = _parser().parse_args(arguments)
    log_to_stderr()
    check_model(given.model, given.capped)
    if not given.upload_limit > 0:
        raise SettingsError(
            f"--upload-limit: expected megabytes above 0, found {given.upload_limit:g}."
        )
    try:
        import uvicorn

        from hmtnet.web.app import application
    except ImportError as error:
        raise SettingsError(
            f'The page needs a server ({error}). Install it: pip install "hmtnet[web]".'
        ) from error
    with _listening(given.host, given.port) as listening:
        scorer = load_scorer(given.model, given.device)
        if scorer.restored.network.needs_reference:
            raise SettingsError(
                f"Model '{given.model}' compares images with their references, and the page takes "
                "images alone. Score with hmtnet score --reference-dir, or give another model."
            )
        from hmtnet.web.desk import Desk
        from hmtnet.web.page import page_files

        most_bytes = int(given.upload_limit * 1e6)
        app = application(
            Desk(scorer, given.model),
            page_files(given.model, told_of(card_of(given.model)), most_bytes),
            most_bytes,
            [given.host],
        )
        # Nothing is logged of who asks for what.
        settings = uvicorn.Config(
            app, log_level="error", access_log=False, server_header=False, lifespan="off", ws="none"
        )
        print(f"{_address(listening)}\nCtrl-C ends it.", flush=True)
        try:
            uvicorn.Server(settings).run(sockets=[listening])
        except TerminatedError:
            raise
        except KeyboardInterrupt:  # how such a command ends: there is nothing to tell or to resume
            pass
    return INTERRUPTED


def _listening(host: str, port: int) -> socket.socket:
    """Take a port before anything slow is done.

    Raises:
        SettingsError: It is taken, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise SettingsError(
            f"Nobody can listen at --host {host} --port {port} ({error}). Give another port (0 "
            "takes a free one), or another address of this machine."
        ) from error


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet serve",
        description="Serve a page that scores, ranks and compares the images dropped on it. They "
        "stay on this machine, which answers nobody else unless --host says so.",
        epilog="example: hmtnet serve --port 8765",
    )
    add_model(parser)
    add = parser.add_argument
    add(
        "--host",
        default="127.0.0.1",
        help="address to listen at (127.0.0.1: this machine alone). Another one lets everybody in "
        "who reaches it: there is no password",
    )
    add("--port", type=int, default=8765, help="port to listen at; 0 takes a free one (8765)")
    add(
        "--upload-limit",
        type=float,
        default=40,
        metavar="MB",
        help="size of a file that is taken, in megabytes (40)",
    )
    return parser
