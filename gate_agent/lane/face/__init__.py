"""Face acquisition inside the cell: newest frame in, cues for the traveller meanwhile, check results out."""

from gate_agent.lane.face.acquisition import FaceAcquisition
from gate_agent.lane.face.cues import Cue
from gate_agent.lane.face.stays import ShortStays
from gate_agent.lane.face.work import FaceWork, MakeHeights

__all__ = ["Cue", "FaceAcquisition", "FaceWork", "MakeHeights", "ShortStays"]
