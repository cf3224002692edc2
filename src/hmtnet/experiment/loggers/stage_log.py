"""The log of one stage, opened and closed."""

from collections.abc import Iterator
from contextlib import contextmanager

from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers.card import card_of
from hmtnet.experiment.loggers.wandb_log import WandbLog
from hmtnet.experiment.plan import Planned


@contextmanager
def stage_log(context: RunContext, planned: Planned, chain: str) -> Iterator[WandbLog | None]:
    """Yield the log of one stage, or None where its files are all that is wanted.

    However the stage ends, its log is closed and says how: else the next stage would log into it.

    Args:
        context: What the chain shares.
        planned: The stage.
        chain: What the chain is called.
    """
    settings = context.settings.logger
    if settings.name != "wandb":
        yield None
        return
    log = WandbLog(card_of(context, planned, chain), settings, planned.directory)
    try:
        yield log
    except BaseException as error:
        log.close(error)
        raise
    log.close()
