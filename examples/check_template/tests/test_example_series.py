"""What the contract suite cannot know: the edges of a series."""

import pytest
from egate_example_check.series import judge

from gate_agent.domain.check import CheckOutcome


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        ("X7766549", CheckOutcome.SUCCESSFUL),
        ("X7766550", CheckOutcome.FAILED),
        ("X7766559", CheckOutcome.FAILED),
        ("X7766560", CheckOutcome.SUCCESSFUL),
        ("X77665500", CheckOutcome.SUCCESSFUL),
        ("", CheckOutcome.UNDETERMINED),
    ],
)
def test_a_series_holds_its_first_and_its_last_number(number: str, outcome: CheckOutcome) -> None:
    assert judge({"issuing_state": "UTO", "document_number": number}).outcome is outcome
