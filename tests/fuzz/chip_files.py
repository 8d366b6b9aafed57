"""Files of the chip that nobody vouches for while they are read: BER-TLV, data groups, SecurityInfos."""

from __future__ import annotations

import random

from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.data_groups import active_authentication_group, mrz_group, portrait_group
from drivers.chip.twin.personalisation import personalise
from drivers.chip.twin.variants import VARIANTS
from emrtd.data_groups import (
    PORTRAIT_LIMIT_BYTES,
    MalformedDataGroup,
    active_authentication_key,
    listed_data_groups,
    mrz_lines,
    portrait,
)
from emrtd.security_infos import (
    MalformedSecurityInfos,
    content_of_card_security,
    object_id_text,
    object_id_value,
    parse_security_infos,
)
from emrtd.tlv import MalformedTlv, children, declared_size, encode_tlv, find_child, read_only_tlv, read_tlv
from tests.contract.virtual_passports import LINES, TODAY
from tests.fuzz.target import Target, layers

PORTRAITS = tuple(
    head + random.Random(9).randbytes(200)
    for head in (b"\xff\xd8\xff\xe0", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
)
ZONES = (
    LINES,
    ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F3204153<<<<<<<2"),
    ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"),
)
_TLV_LIMIT_BYTES = 512  # a thousand empty elements teach no more than a hundred
_PASSPORTS = ("modern", "pace cam", "ca dh", "ca numbered", "aa ecdsa", "aa rsa")


def chip_files(name: str) -> dict[str, bytes]:
    """Return the files of one virtual passport by their names."""
    return dict(personalise(LINES, PORTRAITS[0], TestAuthority(TODAY), VARIANTS[name]).contents.files)


def tlv() -> Target:
    files = chip_files("modern")
    seeds = [content[:_TLV_LIMIT_BYTES] for content in files.values()]
    return Target((*seeds, b"\x7f\x61\x81\x05\x02\x03\x04\x05\x06"), _elements, _TLV_LIMIT_BYTES)


def _elements(content: bytes) -> bool:
    try:
        found = list(children(content))
    except MalformedTlv:
        return False
    at = 0
    for element in found:
        raw = content[at : element.end]
        shortest = encode_tlv(element.tag, element.value)
        assert raw.endswith(element.value)
        assert len(shortest) < len(raw) or shortest == raw
        assert read_only_tlv(shortest, element.tag) == element.value
        assert element.is_constructed == bool(raw[0] & 0x20)
        assert read_tlv(content, at) == element
        at = element.end
    assert at == len(content)
    if not found:
        return False
    for cut in range(1, min(found[0].end, 9)):
        assert declared_size(content[:cut]) in {None, found[0].end}, "a head never claims another size than the whole"
    first_of_tag = next(one.value for one in found if one.tag == found[-1].tag)
    assert find_child(content, found[-1].tag) == first_of_tag
    return True


def data_groups() -> Target:
    keys = [chip_files(name)["DG15"] for name in ("aa ecdsa", "aa rsa")]
    pictures = [portrait_group(one, is_39794=newer) for one in PORTRAITS for newer in (False, True)]
    return layers(
        (_zone, [mrz_group(lines) for lines in ZONES]),
        (_portrait, pictures),
        (_active_key, [*keys, active_authentication_group(b"\x30\x00")]),
        (_list, [chip_files(name)["EF.SOD"] for name in ("modern", "aa rsa")]),
    )


def _zone(content: bytes) -> bool:
    try:
        lines = mrz_lines(content)
    except MalformedDataGroup:
        return False
    assert [len(line) for line in lines] in ([44, 44], [36, 36], [30, 30, 30])
    assert "".join(lines).encode("ascii") in content
    assert mrz_lines(mrz_group(lines)) == lines
    return True


def _portrait(content: bytes) -> bool:
    try:
        found = portrait(content)
    except MalformedDataGroup:
        return False
    assert found.media_type in {"image/jpeg", "image/jp2", "image/j2c"}
    assert len(found.content) <= PORTRAIT_LIMIT_BYTES
    assert found.content in content, "cut out, not put together"
    return True


def _active_key(content: bytes) -> bool:
    try:
        key = active_authentication_key(content)
    except MalformedDataGroup:
        return False
    assert content.endswith(key)
    assert read_only_tlv(key, 0x30) in key
    return True


def _list(content: bytes) -> bool:
    try:
        numbers = listed_data_groups(content)
    except MalformedDataGroup:
        return False
    assert all(0 <= number < 1 << 32 for number in numbers)
    return True


def security_infos() -> Target:
    passports = [chip_files(name) for name in _PASSPORTS]
    announced = [one[name] for one in passports for name in ("DG14", "EF.CardAccess") if name in one]
    return layers(
        (_infos, announced),
        (_card_security, [one["EF.CardSecurity"] for one in passports if "EF.CardSecurity" in one]),
        (_object_id, [object_id_value("0.4.0.127.0.7.2.2.3.2.4"), object_id_value("2.23.136.1.1.5")]),
    )


def _infos(content: bytes) -> bool:
    try:
        infos = parse_security_infos(content)
    except MalformedSecurityInfos:
        return False
    whole = read_only_tlv(content, 0x6E) if content[:1] == b"\x6e" else content
    kinds = (
        infos.pace,
        infos.pace_domain_parameters,
        infos.chip_authentications,
        infos.chip_authentication_keys,
        infos.active_authentications,
        infos.others,
    )
    assert sum(map(len, kinds)) == len(list(children(read_only_tlv(whole, 0x31)))), "nothing announced is lost"
    for one in infos.chip_authentication_keys:
        assert read_only_tlv(one.key, 0x30) in content, "a key is the raw bytes that were signed"
        assert one.key in content
    assert all(one.algorithm in content for one in infos.pace_domain_parameters)
    assert all(one.parameter_id is None or 0 <= one.parameter_id < 1 << 64 for one in infos.pace)
    return True


def _card_security(content: bytes) -> bool:
    try:
        inner = content_of_card_security(content)
    except MalformedSecurityInfos:
        return False
    assert inner in content
    _infos(inner)
    return True


def _object_id(content: bytes) -> bool:
    try:
        text = object_id_text(content)
    except MalformedTlv:
        return False
    value = object_id_value(text)
    assert len(value) < len(content) or value == content, "only padded arcs have another encoding"
    assert object_id_text(value) == text
    return True
