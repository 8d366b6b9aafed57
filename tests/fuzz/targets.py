"""Every fuzz target by its name, and where it is. Imported and made when it is asked for: what a run does not need is not instrumented."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType

from tests.fuzz.target import Target


def _made_by(module: str, name: str) -> Callable[[], Target]:
    def make() -> Target:
        target: Target = getattr(import_module(f"tests.fuzz.{module}"), name)()
        return target

    return make


_PLACES = {
    "tlv": "chip_files:tlv",
    "data_groups": "chip_files:data_groups",
    "security_infos": "chip_files:security_infos",
    "security_object": "signed_objects:security_object",
    "certificate": "signed_objects:certificate",
    "revocation_list": "signed_objects:revocation_list",
    "trust_list": "signed_objects:trust_list",
    "public_key": "keys_and_signatures:public_key",
    "signature": "keys_and_signatures:signature",
    "file_reading": "chip_answers:file_reading",
    "secure_messaging": "chip_answers:secure_messaging",
    "chip_authentication": "chip_answers:chip_authentication",
    "chip_conversation": "chip_answers:chip_conversation",
    "child_messages": "children:child_messages",
    "machine_readable_zone": "printed:machine_readable_zone",
    "boarding_pass": "printed:boarding_pass",
    "visible_seal": "seals:visible_seal",
    "json_seal": "seals:json_seal",
    "barcode_line": "readers:barcode_line",
    "honeywell": "readers:honeywell",
    "zebra_ssi": "readers:zebra_ssi",
    "typed_barcode": "readers:typed_barcode",
    "document_reader": "readers:document_reader",
    "llrp": "tag_readers:llrp",
    "declaration_token": "tokens:declaration_token",
    "foreign_claims": "tokens:foreign_claims",
    "cbor": "tokens:cbor",
    "mavlink": "around:mavlink",
    "power_supply": "around:power_supply",
    "xray_result": "around:xray_result",
    "receipt": "around:receipt",
    "temperature": "around:temperature",
    "seal_frames": "seal_trackers:seal_frames",
    "seal_history": "seal_trackers:seal_history",
    "hosted_messages": "hosts:hosted_messages",
    "page_answer": "pages:page_answer",
    "xray_request": "pages:xray_request",
    "rtsp_answer": "cameras:rtsp_answer",
    "mjpeg_stream": "cameras:mjpeg_stream",
    "post_fact": "post_wires:fact",
    "post_unlock": "post_wires:unlock",
    "watchlist": "watchlists:watchlist",
    "modbus": "gates:modbus",
    "turnstile": "gates:turnstile",
    "recording": "access:recording",
}
TARGETS: Mapping[str, Callable[[], Target]] = MappingProxyType(
    {name: _made_by(*place.split(":")) for name, place in _PLACES.items()}
)
