"""The reasons an officer can choose for each action. Codes only; their words stand in the catalogue (`action_reason`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.reasons import OTHER_PERSON
from gate_agent.web.lane_api_messages import GuardAction

OTHER = "other"
"""The reason that is nothing without words; it demands the free text."""

ACTION_REASONS: Mapping[GuardAction, tuple[str, ...]] = MappingProxyType(
    {
        GuardAction.RELEASE: (
            "face_compared_by_eye",
            "document_examined",
            "record_clarified",
            "assisted_traveller",
            "technical_cause",
            OTHER,
        ),
        GuardAction.HAND_OVER: (
            "face_doubt",
            OTHER_PERSON,
            "document_doubt",
            "list_to_verify",
            "stay_to_verify",
            "traveller_request",
            OTHER,
        ),
        GuardAction.CORRECT_READING: ("zone_read_by_eye", OTHER),
        GuardAction.SUSPEND_LANE: ("device_fault", "maintenance", "staffing", "safety", OTHER),
        GuardAction.LOCKDOWN_LANE: ("danger", "forced_door", "safety", OTHER),
        GuardAction.END_LOCKDOWN: ("lane_looked_at", "danger_over", "ordered_by_mistake", OTHER),
        GuardAction.BEGIN_FALLBACK: ("system_fault", "network_fault", "doubtful_results", "safety", "exercise", OTHER),
        GuardAction.END_FALLBACK: ("fault_mended", "danger_over", "exercise_over", "ordered_by_mistake", OTHER),
        GuardAction.RESUME_LANE: ("fault_mended", "staffed_again", OTHER),
        GuardAction.ACKNOWLEDGE_ALARM: ("seen_and_acting", OTHER),
        GuardAction.CORRECT_STAY: ("stamp_seen", "other_record_seen", "record_of_nobody", OTHER),
        GuardAction.UNLOCK_SEAL: ("goods_to_inspect", "goods_arrived", OTHER),
        GuardAction.CLOSE_CUSTOMS_TASK: tuple(InspectionFinding),
        GuardAction.NOTE_APPEAL: ("category_noted", "category_upheld", "frequency_noted", "frequency_upheld"),
    },
)
