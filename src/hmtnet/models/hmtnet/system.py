"""HMTNet as a system: grading → SFEN → joint."""

from hmtnet.models.grading.stage import GRADING
from hmtnet.models.hmtnet.stage import JOINT
from hmtnet.models.sfen.stage import SFEN_STAGE
from hmtnet.models.system import System

SYSTEM = System(name="hmtnet", stages=(GRADING, SFEN_STAGE, JOINT))
