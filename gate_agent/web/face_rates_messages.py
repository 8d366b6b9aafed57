"""The part of the lane API's messages that is about counted error rates; `lane_api_messages` says where they go."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class RatesMessage(BaseModel):
    """A frozen message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RateView(RatesMessage):
    """A counted error rate with its 95 % bounds."""

    errors: int
    trials: int
    rate: float
    lower_bound: float
    upper_bound: float


class GroupRatioView(RatesMessage):
    """Worst to best group of a dimension; `ratio` None: the best shows no error. `at_least` is what the bounds prove."""

    dimension: Literal["age_band", "sex", "nationality", "issuing_state"]
    rate: Literal["false_match", "false_non_match"]
    worst: str
    best: str
    ratio: float | None
    at_least: float


class FaceRatesView(RatesMessage):
    """What a lane's own traffic says about its face comparison; counts only, for supervisors. None: nothing counted."""

    lane_id: int
    window_days: int
    false_match_limit: float
    false_non_match: RateView | None
    false_match: RateView | None
    failure_to_acquire: RateView | None
    verdict: Literal["not_enough", "within", "above"]
    comparisons: int
    needed_comparisons: int
    groups: list[GroupRatioView] = []
