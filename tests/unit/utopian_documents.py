"""Travel documents of Utopia, one per number, as a gate has read them."""

from datetime import date

from gate_agent.domain.travel_document import MrzFormat, TravelDocument


def document(number: int) -> TravelDocument:
    return TravelDocument(
        format=MrzFormat.TD3,
        document_code="P",
        issuing_state="UTO",
        document_number=f"X{number:08d}",
        nationality="UTO",
        primary_identifier="SPECIMEN",
        secondary_identifier="UTOPIA",
        name_may_be_truncated=False,
        date_of_birth=date(1990, 1, 1),
        date_of_birth_text="900101",
        sex="X",
        date_of_expiry=date(2031, 1, 1),
        optional_data="",
        optional_data_2="",
        lines=(),
    )
