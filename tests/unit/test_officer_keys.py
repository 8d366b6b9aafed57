"""Officers' keys under a password."""

from __future__ import annotations

import json
import time

import pytest

from gate_agent.errors import AuthorityRefused
from gate_agent.web.officer_keys import OfficerKeyUnusable, PasswordWrong, create_officer_key, unlock_officer_key

PASSWORD = "utopia-гв-oʻzbek"
CONTENT, PUBLIC = create_officer_key("guard-1", PASSWORD)


def test_the_password_opens_the_key() -> None:
    key = unlock_officer_key(CONTENT, PASSWORD)
    assert key.public_key().public_bytes_raw() == PUBLIC
    assert PASSWORD.encode() not in CONTENT
    assert key.private_bytes_raw().hex().encode() not in CONTENT


@pytest.mark.parametrize("password", ["", "Utopia-гв-oʻzbek", PASSWORD + " ", "x" * 100_000, "\ud800"])
def test_another_password_does_not(password: str) -> None:
    with pytest.raises(PasswordWrong) as caught:
        unlock_officer_key(CONTENT, password)
    assert caught.value.code == "EG-AUT-040"
    assert isinstance(caught.value, AuthorityRefused)


@pytest.mark.parametrize("field", ["officer_id", "public_key_hex", "salt_hex", "nonce_hex", "ciphertext_hex"])
def test_a_changed_file_does_not_open(field: str) -> None:
    file = json.loads(CONTENT)
    file[field] = ("0" if file[field][0] != "0" else "1") + file[field][1:]
    with pytest.raises(PasswordWrong):
        unlock_officer_key(json.dumps(file).encode(), PASSWORD)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[" * 100_000,
        CONTENT + b" " * 5000,
        CONTENT.replace(b"m=65536", b"m=99999"),
        CONTENT[:-9],
        b"\xff\xfe",
        b'{"format": 1}',
    ],
)
def test_other_files_are_unusable(content: bytes) -> None:
    with pytest.raises(OfficerKeyUnusable):
        unlock_officer_key(content, PASSWORD)


def test_an_absent_officer_costs_as_much_as_a_wrong_password() -> None:
    def cpu_seconds(content: bytes) -> float:
        started = time.process_time()  # of this process: what else the machine does counts for nobody
        with pytest.raises(AuthorityRefused):
            unlock_officer_key(content, "wrong")
        return time.process_time() - started

    pairs = [(cpu_seconds(CONTENT), cpu_seconds(b"")) for _ in range(5)]
    wrong, absent = (min(times) for times in zip(*pairs, strict=True))
    assert 0.4 < absent / wrong < 2.5


def test_nothing_is_made_without_a_password() -> None:
    with pytest.raises(ValueError):
        create_officer_key("guard-1", "")
