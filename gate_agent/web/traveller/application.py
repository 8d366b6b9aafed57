"""The traveller's screen of a lane: one instruction, one pictogram, one progress mark at a time.

    GET  /lane/{id}/screen   the page; without script it loads itself again every three seconds
    GET  /lane/{id}/events   server-sent events of ready texts; `beat` while the agent lives
    POST /lane/{id}/input    kind=help | nothing_to_declare | more_time | skip | print | speech | language (+ language=…)

While the camera looks, the one cue that is due (step back, more to the left, …) takes the place of the instruction. Sides are the
traveller's own and the drawings show him as in a mirror.

Nothing hidden can leak here: the agent's `ScreenState` holds no reason, and words come from the traveller's catalogue only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

import segno
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, StreamingResponse
from pydantic import ValidationError

from gate_agent.web.auth import is_foreign
from gate_agent.web.events import RETRY_MS, STREAM_HEADERS, frame
from gate_agent.web.formats import digits_text, value_text
from gate_agent.web.guard.lane_link import LaneLinkDown
from gate_agent.web.i18n import LANGUAGE_NAMES, Catalogue, Catalogues
from gate_agent.web.lane_api_messages import CHALLENGE_CUES, Instruction, ScreenState, TravellerInput
from gate_agent.web.languages import FIRST_LANGUAGE, direction_of, said_as
from gate_agent.web.pages import page_templates
from gate_agent.web.traveller.spoken import cue_of, phrase_of

STEPS = 4

_FULL_SCREEN = {Instruction.EMERGENCY: "emergency", Instruction.LANE_CLOSED: "closed"}
_NOTHING_TO_DECLARE = {Instruction.SHOW_DECLARATION}
_ON_PAPER = {"printing", "printed", "unavailable"}
_RECEIPT_FRAMES = {Instruction.WALK_THROUGH, Instruction.CUSTOMS_DESK}


class ScreenLink(Protocol):
    """What the screens need of the link to the agent (`guard.lane_link.LaneLink`)."""

    async def screen(self, lane_id: int) -> ScreenState:
        """Return a lane's screen now. Raises `LaneLinkDown`, `LookupError`."""
        ...

    def follow_screen(self, lane_id: int) -> AsyncIterator[ScreenState | None]:
        """Yield a lane's screen after each change, None for a sign of life."""
        ...

    async def traveller_input(self, lane_id: int, pressed: TravellerInput) -> bool:
        """Pass on what was pressed."""
        ...


@dataclass(frozen=True, slots=True)
class TravellerScreens:
    """What the screens need; made once at start."""

    link: ScreenLink
    catalogues: Catalogues


@lru_cache(maxsize=8)
def _symbol(code: str) -> str:
    """Return a QR symbol (error correction M, quiet zone of four modules) as a picture's address; empty for no code."""
    if not code:
        return ""
    return str(
        segno.make_qr(code, error="m", boost_error=False).svg_data_uri(border=4, light="#fff", encode_minimal=True)
    )


def screen_view(state: ScreenState, catalogue: Catalogue) -> dict[str, Any]:
    """Return one frame of the screen with ready texts."""
    digits = partial(digits_text, language=catalogue.language)
    seconds = "" if state.remaining_s is None else digits(str(max(0, round(state.remaining_s))))
    cue, phrase = cue_of(state), phrase_of(state, catalogue)
    return {
        "sequence": state.sequence,
        "instruction": state.instruction.value,
        "cue": None if cue is None else cue.value,
        "pictogram": state.instruction.value if cue is None else f"cue_{cue}",
        "title": phrase.title,
        "detail": phrase.detail,
        "lane_hint": phrase.lane_hint,
        "layout": _FULL_SCREEN.get(state.instruction, "step"),
        "step": state.step,
        "progress": catalogue.text("ui.progress", step=digits(str(state.step)), total=digits(str(STEPS)))
        if state.step
        else "",
        "language": catalogue.language,
        "direction": direction_of(catalogue.language),
        "remaining": catalogue.text("ui.remaining", seconds=seconds) if seconds else "",
        "remaining_s": state.remaining_s,
        "remaining_pattern": catalogue.texts["ui.remaining"],
        "more_time": state.remaining_s is not None,
        "nothing_to_declare": state.instruction in _NOTHING_TO_DECLARE,
        "skip": cue in CHALLENGE_CUES,
        "print": state.printing == "offered",
        "paper": catalogue.text(f"ui.{state.printing}") if state.printing in _ON_PAPER else "",
        "speech": state.speech,
        "speech_note": _speech_note(state, catalogue),
        "read_percent": state.read_percent if state.instruction is Instruction.READING_CHIP else None,
        "receipt": [
            {"name": catalogue.text(f"receipt.{name}"), "value": value_text(value, catalogue.language)}
            for name, value in state.receipt.items()
        ]
        if state.instruction in _RECEIPT_FRAMES
        else [],
        "receipt_qr": _symbol(state.receipt_code) if state.instruction in _RECEIPT_FRAMES else "",
        "ui": {
            name: catalogue.text(f"ui.{name}")
            for name in (
                "help",
                "staffed_lane",
                "nothing_to_declare",
                "more_time",
                "skip",
                "print",
                "take_receipt",
                "speech",
                "not_connected",
                "not_connected_detail",
            )
        },
        "lane": catalogue.text("ui.lane", lane=digits(str(state.lane_id))),
        "digits": digits("0123456789"),
    }


def _speech_note(state: ScreenState, catalogue: Catalogue) -> str:
    """Return in which language is read aloud, empty where it is the screen's own."""
    is_own = state.said_in is None or state.said_in.partition("-")[0] == catalogue.language.partition("-")[0]
    if is_own or state.speech not in {"on", "always"} or state.said_in not in said_as(catalogue.language):
        return ""
    return catalogue.text("ui.speech_other", language=LANGUAGE_NAMES[state.said_in])


def add_traveller_screens(app: FastAPI, screens: TravellerScreens) -> None:
    """Put the traveller's screens under `/lane` of `app`."""
    templates = page_templates("traveller", language_names=LANGUAGE_NAMES, steps=range(1, STEPS + 1))
    router = APIRouter(prefix="/lane/{lane_id}")

    def view_of(state: ScreenState) -> dict[str, Any]:
        return screen_view(state, screens.catalogues[state.language])

    def page(lane_id: int, view: dict[str, Any], *, connected: bool, status: int = 200) -> Response:
        html = templates.get_template("screen.html").render(
            lane_id=lane_id, view=view, languages=list(screens.catalogues), connected=connected
        )
        return HTMLResponse(html, status_code=status)

    @router.get("/screen")
    async def screen(lane_id: int) -> Response:
        try:
            return page(lane_id, view_of(await screens.link.screen(lane_id)), connected=True)
        except LookupError:
            return Response("there is no such lane", status_code=404, media_type="text/plain")
        except LaneLinkDown:
            closed = ScreenState(
                lane_id=lane_id,
                sequence=0,
                instruction=Instruction.LANE_CLOSED,
                step=0,
                language=FIRST_LANGUAGE,
            )
            return page(lane_id, view_of(closed), connected=False, status=503)

    @router.get("/events")
    async def events(lane_id: int) -> Response:
        try:
            await screens.link.screen(lane_id)
        except LookupError:
            return Response(status_code=404)
        except LaneLinkDown:
            return Response(status_code=503)
        return StreamingResponse(frames(lane_id), media_type="text/event-stream", headers=STREAM_HEADERS)

    async def frames(lane_id: int) -> AsyncIterator[bytes]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        try:
            async for state in screens.link.follow_screen(lane_id):
                if state is None:
                    yield frame("beat", "{}", "beat")
                else:
                    yield frame(state.sequence, json.dumps(view_of(state), ensure_ascii=False))
        except (LaneLinkDown, LookupError):
            return  # the browser opens the stream again; until then the page says that it is not connected

    @router.post("/input")
    async def pressed(lane_id: int, request: Request) -> Response:
        if is_foreign(request.headers, f"{request.url.scheme}://{request.headers.get('host', '')}"):
            return Response(status_code=403)
        form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        try:
            wanted = TravellerInput.model_validate(form)
        except ValidationError:
            return JSONResponse({"message": "not understood"}, status_code=422)
        try:
            taken = await screens.link.traveller_input(lane_id, wanted)
        except LookupError:
            return Response(status_code=404)
        except LaneLinkDown:
            return Response(status_code=503)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"taken": taken})
        return RedirectResponse(f"/lane/{lane_id}/screen", status_code=303)

    app.include_router(router)
