"""Presentation attack detection (ISO/IEC 30107): one module per cue, `AttackDetection` for one acquisition.

Unrated: no error rate has been measured for the shipped cues. They see flat prints and screens that are moved or whose border is
in view; they do not stop masks, bent prints, or a video that fills the view.
"""

from models.attack_detector.combination import ALARM_FROM, DOUBTFUL_FROM
from models.attack_detector.detection import AttackDetection, configuration_id
from models.attack_detector.model_slot import AttackModel

__all__ = ["ALARM_FROM", "DOUBTFUL_FROM", "AttackDetection", "AttackModel", "configuration_id"]
