"""Whether a document number lies in a series of blanks that was reported stolen: a made-up list, of a made-up state."""

from gate_agent.inspection.plugin import (
    CheckDeclaration,
    CheckOutcome,
    Compared,
    Family,
    Finding,
    Input,
    View,
)

STOLEN_SERIES = {"UTO": (("X7766550", "X7766559"),)}
"""By issuing state, first and last number of each series."""


def judge(view: View) -> Finding:
    """Look one number up. A state without a list is not supported: the check says nothing there."""
    series = STOLEN_SERIES.get(str(view["issuing_state"]))
    if series is None:
        return Finding(CheckOutcome.NOT_SUPPORTED)
    number = view["document_number"]
    if not isinstance(number, str) or not number:
        return Finding(CheckOutcome.UNDETERMINED, "no_number")
    for first, last in series:
        if len(number) == len(first) and first <= number <= last:
            return Finding(
                CheckOutcome.FAILED, "stolen_series", (Compared("series", number, f"outside {first}-{last}"),)
            )
    return Finding(CheckOutcome.SUCCESSFUL)


CHECK = CheckDeclaration(
    judge,
    inputs=frozenset({Input.ISSUING_STATE, Input.DOCUMENT_NUMBER}),
    budget_ms=200,
    titles={"en": "Stolen blanks", "ru": "Похищенные бланки", "uz-Latn": "Oʻgʻirlangan blankalar"},
    findings={
        "stolen_series": {
            "en": "The number lies in a series of blanks that was reported stolen",
            "ru": "Номер входит в серию бланков, заявленных похищенными",
            "uz-Latn": "Raqam oʻgʻirlangani maʼlum qilingan blankalar seriyasiga kiradi",
        },
        "no_number": {
            "en": "There is no document number to look up",
            "ru": "Нет номера документа для проверки",
            "uz-Latn": "Tekshirish uchun hujjat raqami yoʻq",
        },
    },
    family=Family.COMBINED,
)
