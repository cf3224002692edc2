"""MFEN as a system: DAN → quality."""

from hmtnet.models.mfen.stage import DAN_STAGE, QUALITY_STAGE
from hmtnet.models.system import System

SYSTEM = System(name="mfen", stages=(DAN_STAGE, QUALITY_STAGE))
