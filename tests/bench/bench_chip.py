"""Chip: whole reads beside a plain reader's (`chip_reads`), and the arithmetic of one opening beside the library's own integers.

The peer of the arithmetic (PACE, generic mapping) is `ecdsa` as it comes, without gmpy2: there is no other reader in Python to set
beside ours whose point arithmetic runs. What `cryptography` offers is no peer: it agrees on keys over the curve's own generator only,
and PACE needs one of its own for each opening. Processor time of one core, the least of several; limit for a whole read: 60 ms.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from drivers.chip.apdu import CommandApdu, ResponseApdu
from drivers.chip.ciphers import AES_128, authenticate, encrypt, pad
from drivers.chip.key_agreement import agreement_of
from drivers.chip.secure_messaging import SecureMessaging
from emrtd.tlv import encode_tlv
from gate_agent.cli.bench import BenchRow
from tests.bench import chip_reads

NAME = "chip"
ROUNDS = 5
CURVES = {12: "P-256", 13: "brainpoolP256r1", 16: "brainpoolP384r1", 17: "brainpoolP512r1", 18: "P-521"}
READ_BYTES, BLOCK_BYTES = 15_000, 256

_WITHOUT_GMPY2 = """
import json, sys
sys.modules["gmpy2"] = None
sys.path.insert(0, sys.argv[1])
import importlib.util
spec = importlib.util.spec_from_file_location("bench_chip_peer", sys.argv[2])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from ecdsa import numbertheory
assert not numbertheory.GMPY2, "the peer runs without gmpy2"
print(json.dumps({str(parameter_id): module.opening_ms(parameter_id) for parameter_id in module.CURVES}))
"""


def run() -> list[BenchRow]:
    """Measure whole reads, every curve, and what protecting a read of 15 kB costs."""
    peers = _without_gmpy2()
    rows = chip_reads.rows()
    for parameter_id, name in CURVES.items():
        ours, peer = opening_ms(parameter_id), peers[str(parameter_id)]
        rows.append(BenchRow(f"PACE-GM {name}, arithmetic of this side", ours, peer, ours / peer, "ms"))
    rows.append(BenchRow("secure messaging AES-128, 15 kB in blocks of 256", messaging_ms(), None, None, "ms"))
    return rows


def opening_ms(parameter_id: int) -> float:
    """Return the processor time of this side's arithmetic in one opening."""
    agreement = agreement_of(parameter_id, is_elliptic=True)
    secrets = [int.from_bytes(bytes([seed]) * 70, "big") % (agreement.curve.order - 1) + 1 for seed in (3, 5, 7, 11)]
    nonce = int.from_bytes(b"\x5a" * 16, "big")
    chip_mapping = agreement.encode(agreement.apply(secrets[0], agreement.generator))
    generator = agreement.combine(
        agreement.apply(nonce, agreement.generator),
        agreement.apply(secrets[2], agreement.decode(chip_mapping)),
    )
    chip_key = agreement.encode(agreement.apply(secrets[1], generator))

    def opening() -> bytes:
        agreement.encode(agreement.apply(secrets[2], agreement.generator))
        shift = agreement.apply(secrets[2], agreement.decode(chip_mapping))
        mapped = agreement.combine(agreement.apply(nonce, agreement.generator), shift)
        agreement.encode(agreement.apply(secrets[3], mapped))
        return agreement.shared_secret(agreement.apply(secrets[3], agreement.decode(chip_key)))

    return _least_ms(opening)


def messaging_ms() -> float:
    """Return the processor time of protecting the commands and opening the answers of one read."""
    key = bytes(16)
    answers = [_answer(key, 2 * number) for number in range(1, READ_BYTES // BLOCK_BYTES + 2)]

    def read() -> None:
        session = SecureMessaging(AES_128, key, key)
        for answer in answers:
            session.protect(CommandApdu(0x00, 0xB0, 0, 0, b"", BLOCK_BYTES))
            session.open(answer)

    return _least_ms(read)


def _answer(key: bytes, number: int) -> ResponseApdu:
    """Return a chip's protected answer at this place of the send sequence."""
    counter = number.to_bytes(16, "big")
    cryptogram = encrypt(AES_128, key, pad(bytes(BLOCK_BYTES), 16), encrypt(AES_128, key, counter))
    objects = encode_tlv(0x87, b"\x01" + cryptogram) + b"\x99\x02\x90\x00"
    return ResponseApdu(objects + encode_tlv(0x8E, authenticate(AES_128, key, pad(counter + objects, 16))), 0x9000)


def _least_ms(call: Callable[[], object]) -> float:
    least_s = float("inf")
    for _ in range(ROUNDS):
        started_s = time.process_time()
        call()
        least_s = min(least_s, time.process_time() - started_s)
    return least_s * 1000


def _without_gmpy2() -> dict[str, float]:
    project = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_GMPY2, project, __file__],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer
