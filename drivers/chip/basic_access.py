"""Basic access control: the older way to open a chip, with the printed number and dates (ICAO 9303-11 §4.3)."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from drivers.chip.apdu import CommandApdu
from drivers.chip.channel import ChipChannel
from drivers.chip.ciphers import (
    AUTHENTICATION,
    ENCRYPTION,
    MAC_BYTES,
    TRIPLE_DES,
    authenticate_unpadded,
    decrypt,
    derive_key,
    encrypt,
    mrz_seed,
)
from drivers.chip.protocol_outcomes import AccessRefused
from drivers.chip.secure_messaging import SecureMessaging

_RANDOM_BYTES, _KEY_BYTES = 8, 16
_CRYPTOGRAM_BYTES = 2 * _RANDOM_BYTES + _KEY_BYTES


def open_with_basic_access(channel: ChipChannel, mrz_information: str, random: Callable[[int], bytes]) -> None:
    """Open the selected application; from then on `channel` is protected. Raises `AccessRefused` when the keys do not fit."""
    seed = mrz_seed(mrz_information)[:_KEY_BYTES]
    encryption_key, mac_key = (derive_key(TRIPLE_DES, seed, purpose) for purpose in (ENCRYPTION, AUTHENTICATION))
    challenge = channel.send(CommandApdu(0x00, 0x84, 0x00, 0x00, b"", _RANDOM_BYTES))
    if not challenge.is_ok or len(challenge.content) != _RANDOM_BYTES:
        raise AccessRefused("BAC", challenge.status)
    theirs = challenge.content
    ours, our_key = random(_RANDOM_BYTES), random(_KEY_BYTES)
    cryptogram = encrypt(TRIPLE_DES, encryption_key, ours + theirs + our_key)
    token = authenticate_unpadded(TRIPLE_DES, mac_key, cryptogram)
    answer = channel.send(CommandApdu(0x00, 0x82, 0x00, 0x00, cryptogram + token, _CRYPTOGRAM_BYTES + MAC_BYTES))
    if not answer.is_ok or len(answer.content) != _CRYPTOGRAM_BYTES + MAC_BYTES:
        raise AccessRefused("BAC", answer.status)
    answered, mac = answer.content[:_CRYPTOGRAM_BYTES], answer.content[_CRYPTOGRAM_BYTES:]
    if not hmac.compare_digest(authenticate_unpadded(TRIPLE_DES, mac_key, answered), mac):
        raise AccessRefused("BAC", 0)
    plain = decrypt(TRIPLE_DES, encryption_key, answered)
    if plain[:_RANDOM_BYTES] != theirs or plain[_RANDOM_BYTES : 2 * _RANDOM_BYTES] != ours:
        raise AccessRefused("BAC", 0)
    secret = bytes(one ^ other for one, other in zip(our_key, plain[2 * _RANDOM_BYTES :], strict=True))
    counter = int.from_bytes(theirs[4:] + ours[4:], "big")
    channel.secure_messaging = SecureMessaging.from_secret(TRIPLE_DES, secret, counter)
