"""The pictures of a page, judged (BSI TR-03135-1 §5.5.4; ICAO Doc 9303-3 for B900 ink): measures in, five-valued results out.

A check whose picture the reader does not take is not supported. One whose picture should have come and did not, was taken without its
lamp, or cannot be decoded, is aborted. Glare, blur and a page that moved leave it undetermined. Only ink that fades, characters that
differ and paper that glows are findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from models.page_results import DifferingSymbol, InkSegment, PageLook, PictureLook, ZoneLook

WHITE, INFRARED, ULTRAVIOLET = "white", "infrared", "ultraviolet"
_S, _F, _U, _N, _A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED
)  # fmt: skip
_MOST_NAMED = 12


@dataclass(frozen=True, slots=True)
class PageLimits:
    """From where on a measure speaks for or against a page. Chosen on drawn pages: none was measured on real documents.

    Contrasts and shares 0-1, levels 0-255, blur in widths of a character. `infrared_clear` follows from the print contrast that
    Doc 9303-3 asks of B900 ink (0.6 in reflectance [from memory], 0.34 in the levels of a picture with a gamma of 2.2).
    """

    infrared_clear: float = 0.34
    infrared_faint: float = 0.2
    differing_posterior: float = 0.9
    differing_likeness: float = 0.8
    ultraviolet_dull: float = 60.0
    ultraviolet_bright: float = 110.0
    ultraviolet_blue_excess: float = 20.0
    dark_level: float = 20.0
    ultraviolet_dark_level: float = 8.0
    saturated_share: float = 0.03
    edge_blur: float = 0.08


@dataclass(frozen=True, slots=True)
class PagePictures:
    """What became of the pictures besides what was measured: `expected` roles should have come, `broken` ones could not be decoded."""

    expected: frozenset[str] = frozenset()
    broken: frozenset[str] = frozenset()


def judge_page(
    look: PageLook, lines: Sequence[str], limits: PageLimits, pictures: PagePictures | None = None
) -> tuple[CheckResult, ...]:
    """Judge what was measured. `lines`: the zone as the reader delivered it; empty: it delivered none."""
    judge = _Judge(look, tuple(lines), limits, pictures or PagePictures())
    return judge.reading(), judge.infrared(), judge.infrared_against_visible(), judge.ultraviolet()


def picture_missing(check: CheckName, role: str, pictures: PagePictures) -> CheckResult:
    """Return the result of a check whose picture is not there: a fault where the reader should have taken it."""
    if role in pictures.broken:
        return _result(check, _A, Reason(ReasonCode.IMAGE_UNUSABLE, {"image": role}))
    return _result(check, _A if role in pictures.expected else _N, Reason(ReasonCode.IMAGE_MISSING, {"image": role}))


def seals_unseen(look: PageLook, limits: PageLimits, pictures: PagePictures) -> CheckResult | None:
    """Return what the check of digital seals says when there is no white picture to look for them in; None: there is one."""
    white = look.pictures.get(WHITE)
    if white is None:
        return picture_missing(CheckName.VISIBLE_SEAL, WHITE, pictures)
    if white.level < limits.dark_level:
        return _result(CheckName.VISIBLE_SEAL, _A, Reason(ReasonCode.IMAGE_DARK, {"image": WHITE}))
    return None


def _result(
    check: CheckName, outcome: CheckOutcome, *reasons: Reason, compared: Sequence[Compared] = ()
) -> CheckResult:
    return CheckResult(check, outcome, reasons, tuple(compared))


class _Judge:
    """One page."""

    def __init__(self, look: PageLook, lines: tuple[str, ...], limits: PageLimits, pictures: PagePictures) -> None:
        self._look = look
        self._lines = lines
        self._limits = limits
        self._pictures = pictures

    def reading(self) -> CheckResult:
        """Compare the zone of the white picture with the lines that the reader delivered: two readers that agree are believed."""
        check = CheckName.MRZ_READING
        unusable = self._unusable(check, WHITE)
        if unusable is not None and unusable.outcome is not _U:
            return unusable
        zone = self._look.zone
        if zone is None:
            return unusable or _result(check, _U, Reason(ReasonCode.MRZ_UNREADABLE))
        if not self._lines:
            if zone.has_right_digits and not zone.doubtful:
                return _result(check, _S)
            doubts = [(one.line, one.position, one.character, "") for one in zone.doubtful]
            return self._not_trusted(doubts, unusable)
        if tuple(map(len, zone.lines)) != tuple(map(len, self._lines)):
            return unusable or _result(check, _U, Reason(ReasonCode.MRZ_UNREADABLE))
        differing = [
            (line + 1, position + 1, seen, delivered)
            for line, pair in enumerate(zip(zone.lines, self._lines, strict=True))
            for position, (seen, delivered) in enumerate(zip(*pair, strict=True))
            if seen != delivered
        ]
        return self._not_trusted(differing, unusable) if differing else _result(check, _S)

    def infrared(self) -> CheckResult:
        """Judge B900: the print of the zone stays dark at 900 nm."""
        check = CheckName.MRZ_INFRARED
        for role in (INFRARED, WHITE):
            unusable = self._unusable(check, role)
            if unusable is not None:
                return unusable
        ink = self._look.ink
        if ink is None or not ink.segments:
            return _result(check, _U, Reason(ReasonCode.MRZ_UNREADABLE))
        limits = self._limits
        if ink.white_contrast < limits.infrared_clear:  # print that white light hardly shows says nothing in another
            return _result(check, _U, Reason(ReasonCode.MRZ_INFRARED_DOUBTFUL))
        segments = [one for one in ink.segments if one.saturated_share < limits.saturated_share]
        if len(segments) < len(ink.segments):
            return _result(check, _U, Reason(ReasonCode.IMAGE_GLARE, {"image": INFRARED}))
        weakest = min(segments, key=lambda one: one.contrast)
        compared = (
            Compared("infrared_contrast", f"{weakest.contrast:.2f}", f">= {limits.infrared_clear:.2f}"),
            Compared("infrared_place", _place(weakest), ""),
        )
        if weakest.contrast >= limits.infrared_clear:
            return _result(check, _S, compared=compared[:1])
        faint = [one for one in segments if max(one.contrast, one.mass) < limits.infrared_faint]
        if faint:
            return _result(check, _F, Reason(ReasonCode.MRZ_INFRARED_FAINT), compared=compared)
        return _result(check, _U, Reason(ReasonCode.MRZ_INFRARED_DOUBTFUL), compared=compared)

    def infrared_against_visible(self) -> CheckResult:
        """Compare what the zone says at 900 nm with what it says in white light: one text, printed once."""
        check = CheckName.MRZ_INFRARED_AGAINST_VISIBLE
        for role in (INFRARED, WHITE):
            unusable = self._unusable(check, role)
            if unusable is not None:
                return unusable
        look, limits = self._look, self._limits
        if look.zone is None or look.infrared_zone is None or look.differing is None:
            return _result(check, _U, Reason(ReasonCode.MRZ_UNREADABLE))
        if not look.differing:
            return _result(check, _S)
        sure = [
            one
            for one in look.differing
            if one.posterior >= limits.differing_posterior and one.likeness < limits.differing_likeness
        ]
        named = sure or look.differing
        reason = Reason(
            ReasonCode.MRZ_INFRARED_DIFFERS, {"characters": _named((one.line, one.position) for one in named)}
        )
        compared = tuple(_symbol(one) for one in named[:_MOST_NAMED])
        return _result(check, _F if sure else _U, reason, compared=compared)

    def ultraviolet(self) -> CheckResult:
        """Judge dullness: security paper stays dull at 365 nm, ordinary paper is brightened and glows blue."""
        check = CheckName.ULTRAVIOLET_DULLNESS
        unusable = self._unusable(check, ULTRAVIOLET)
        if unusable is not None:
            return unusable
        paper, limits = self._look.paper, self._limits
        if paper is None:
            return _result(check, _U, Reason(ReasonCode.ULTRAVIOLET_DOUBTFUL))
        compared = (
            Compared("ultraviolet_blue", f"{paper.blue_median:.0f}", f"<= {limits.ultraviolet_dull:.0f}"),
            Compared("ultraviolet_blue_upper", f"{paper.blue_upper:.0f}", ""),
        )
        if paper.blue_median <= limits.ultraviolet_dull:
            return _result(check, _S, compared=compared)
        if paper.blue_median >= limits.ultraviolet_bright and paper.blue_excess >= limits.ultraviolet_blue_excess:
            return _result(check, _F, Reason(ReasonCode.ULTRAVIOLET_BRIGHT), compared=compared)
        return _result(check, _U, Reason(ReasonCode.ULTRAVIOLET_DOUBTFUL), compared=compared)

    def _unusable(self, check: CheckName, role: str) -> CheckResult | None:
        """Return why a picture says nothing, or None when it may."""
        picture: PictureLook | None = self._look.pictures.get(role)
        if picture is None:
            return picture_missing(check, role, self._pictures)
        limits, image = self._limits, {"image": role}
        dark = limits.ultraviolet_dark_level if role == ULTRAVIOLET else limits.dark_level
        if picture.level < dark:
            return _result(check, _A, Reason(ReasonCode.IMAGE_DARK, image))
        zone: ZoneLook | None = {WHITE: self._look.zone, INFRARED: self._look.infrared_zone}.get(role)
        if zone is not None and zone.is_cut_off:
            return _result(check, _U, Reason(ReasonCode.IMAGE_CUT_OFF, image))
        if picture.saturated_share >= limits.saturated_share and not (role == WHITE and zone is not None):
            return _result(check, _U, Reason(ReasonCode.IMAGE_GLARE, image))
        if picture.edge_blur is not None and picture.edge_blur >= limits.edge_blur:
            return _result(check, _U, Reason(ReasonCode.IMAGE_BLURRED, image))
        return None

    def _not_trusted(self, symbols: Sequence[tuple[int, int, str, str]], unusable: CheckResult | None) -> CheckResult:
        """Return which characters nobody can be sure of, and what is wrong with the picture if something is."""
        names = {"characters": _named((line, position) for line, position, _, _ in symbols)}
        reasons = (Reason(ReasonCode.MRZ_NOT_TRUSTED, names), *(unusable.reasons if unusable is not None else ()))
        compared = [
            Compared("mrz_character", f"{line}/{position} {seen}", delivered)
            for line, position, seen, delivered in symbols[:_MOST_NAMED]
        ]
        return _result(CheckName.MRZ_READING, _U, *reasons, compared=compared)


def _place(segment: InkSegment) -> str:
    return f"{segment.line}/{segment.first}-{segment.last}"


def _symbol(one: DifferingSymbol) -> Compared:
    return Compared("mrz_character", f"{one.line}/{one.position} {one.infrared}", one.white)


def _named(places: Iterable[tuple[int, int]]) -> str:
    """Return places as `line/position`, the first twelve of them."""
    named = [f"{line}/{position}" for line, position in places]
    return ", ".join(named[:_MOST_NAMED]) + (" …" if len(named) > _MOST_NAMED else "")
