"""Batches, acknowledgements, commands, sealed fields and the record schema."""

import base64
import itertools
import uuid
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from central_sync import envelope, signed, strict_json
from central_sync.acks import Ack, open_ack, sign_ack
from central_sync.commands import Command, open_command, sign_command
from central_sync.envelope import StoredBody, open_batch, runs_of, seal_batch
from central_sync.errors import AckRefused, CommandRefused, EnvelopeRefused, RecordRefused, SealFault
from central_sync.messages import (
    AlarmV1,
    ClockPart,
    ReasonPart,
    SealV1,
    chain_hash,
    first_prev_hash,
    json_schemas,
    read_record,
    record_body,
)
from central_sync.sealing import seal, unseal
from central_sync.topics import GateAddress, bundle_kind, centre_subscriptions, everyone, gate_subscriptions, parse
from central_sync.transports.memory import topic_matches
from central_sync.uplink import backoff_s

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
EPOCH, SOURCE = uuid.UUID(int=5), "UTO/demo/gate-1"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def chained(bodies, places=None):
    rows, head = [], first_prev_hash(EPOCH)
    for seq, body in enumerate(bodies, start=1):
        rows.append(StoredBody(seq, head, body))
        head = chain_hash(head, body)
    return [row for row in rows if places is None or row.seq in places]


lines = st.binary(min_size=0, max_size=80).map(lambda raw: raw.replace(b"\n", b" "))


@given(st.lists(lines, min_size=1, max_size=50), st.data())
def test_what_is_sealed_opens_with_its_places_and_hashes(bodies, data):
    chosen = data.draw(st.sets(st.sampled_from(range(1, len(bodies) + 1)), min_size=1))
    rows = chained(bodies, chosen)
    wire = seal_batch(SOURCE, EPOCH, "live", rows, KEY)
    batch = open_batch(wire, KEY.public_key(), SOURCE)
    assert list(batch.bodies) == rows
    assert (batch.source, batch.epoch, batch.lane) == (SOURCE, EPOCH, "live")


WIRE = seal_batch(SOURCE, EPOCH, "backlog", chained([b"one", b"two"]), KEY)


@given(st.integers(0, len(WIRE) - 1), st.integers(1, 255))
def test_no_changed_byte_passes(position, change):
    changed = WIRE[:position] + bytes([WIRE[position] ^ change]) + WIRE[position + 1 :]
    with pytest.raises(EnvelopeRefused):
        open_batch(changed, KEY.public_key(), SOURCE)


def refused(wire, key=KEY, source=SOURCE):
    with pytest.raises(EnvelopeRefused) as refusal:
        open_batch(wire, key.public_key(), source)
    return refusal.value.code


def signed_plain(plain):
    return signed.sign(envelope.PURPOSE, zlib.compress(plain), KEY)


def test_each_refusal_of_a_batch_has_its_code():
    header = strict_json.dumps(
        {
            "source": SOURCE,
            "epoch": str(EPOCH),
            "lane": "live",
            "runs": [{"first": 1, "last": 2**40, "prev_hash": "0" * 64}],
        }
    )
    assert refused(b"") == "CS-ENV-001"
    assert refused(WIRE, OTHER) == "CS-ENV-002"
    assert refused(WIRE, source="UTO/demo/gate-2") == "CS-ENV-004"
    assert refused(signed.sign(envelope.PURPOSE, b"not zlib", KEY)) == "CS-ENV-001"
    assert refused(signed_plain(b"{}\n")) == "CS-ENV-001"
    assert refused(signed_plain(header + b"\nbody\n")) == "CS-ENV-001"
    assert refused(signed.sign(envelope.PURPOSE, zlib.compress(b"x\n") + b"tail", KEY)) == "CS-ENV-001"
    assert refused(signed.sign(envelope.PURPOSE, zlib.compress(b"x\n" * 99)[:-3], KEY)) == "CS-ENV-001"


def test_a_bomb_is_refused_at_its_limit_and_an_unsigned_one_is_not_opened(monkeypatch):
    bomb = zlib.compress(b"\0" * (envelope.MAX_PLAIN_BYTES + 1), 9)
    assert refused(signed.sign(envelope.PURPOSE, bomb, KEY)) == "CS-ENV-003"
    monkeypatch.setattr(envelope, "_plain", lambda _: pytest.fail("opened before the signature was checked"))
    assert refused(signed.sign(envelope.PURPOSE, bomb, OTHER)) == "CS-ENV-002"


def test_a_batch_is_neither_empty_nor_too_long_nor_torn_by_a_newline():
    for rows in ([], chained([b"x"] * 51), chained([b"a\nb"])):
        with pytest.raises(ValueError):
            seal_batch(SOURCE, EPOCH, "live", rows, KEY)


@given(st.sets(st.integers(1, 60)))
def test_runs_cover_exactly_the_places(places):
    runs = runs_of(sorted(places))
    assert [seq for first, last in runs for seq in range(first, last + 1)] == sorted(places)
    assert all(one[1] + 1 < other[0] for one, other in itertools.pairwise(runs))


def ack(**changes):
    values = {
        "source": SOURCE,
        "epoch": EPOCH,
        "ranges": [(1, 2)],
        "status": "stored",
        "head": "a" * 64,
        "centre_time": NOW,
    }
    return Ack.model_validate(values | changes)


def test_acknowledgements_are_the_centres_or_nothing():
    wire = sign_ack(ack(), KEY)
    assert open_ack(wire, KEY.public_key(), SOURCE) == ack()
    for bad, key, source, code in (
        (wire, OTHER, SOURCE, "CS-ACK-002"),
        (wire, KEY, "UTO/demo/gate-2", "CS-ACK-003"),
        (b"{}", KEY, SOURCE, "CS-ACK-001"),
        (signed.sign("egate-ack-1", b'{"ranges":[]}', KEY), KEY, SOURCE, "CS-ACK-001"),
    ):
        with pytest.raises(AckRefused) as refusal:
            open_ack(bad, key.public_key(), source)
        assert refusal.value.code == code


@pytest.mark.parametrize("ranges", [[(2, 1)], [(1, 3), (3, 4)], [(5, 6), (1, 2)], [(0, 1)], []])
def test_confused_ranges_are_no_acknowledgement(ranges):
    with pytest.raises(ValueError):
        ack(ranges=ranges)


def test_commands_expire_and_have_one_addressee():
    command = Command(
        command_id=uuid.uuid4(), source=SOURCE, action="new_epoch", epoch=EPOCH, not_after=NOW + timedelta(hours=1)
    )
    wire = sign_command(command, KEY)
    assert open_command(wire, KEY.public_key(), SOURCE, NOW) == command
    for key, source, now, code in (
        (OTHER, SOURCE, NOW, "CS-CMD-002"),
        (KEY, "UTO/demo/gate-2", NOW, "CS-CMD-003"),
        (KEY, SOURCE, NOW + timedelta(hours=1), "CS-CMD-004"),
    ):
        with pytest.raises(CommandRefused) as refusal:
            open_command(wire, key.public_key(), source, now)
        assert refusal.value.code == code


def test_no_command_knows_a_barrier():
    for action in ("open", "release", "open_door"):
        with pytest.raises(ValueError):
            Command(command_id=uuid.uuid4(), source=SOURCE, action=action, epoch=EPOCH, not_after=NOW)


def test_sealed_fields_open_for_their_record_and_key_only():
    key, record_id = X25519PrivateKey.generate(), uuid.uuid4()
    sealed = seal({"document_number": "X00004711"}, key.public_key(), record_id)
    assert b"X00004711" not in base64.b64decode(sealed)
    assert unseal(sealed, key, record_id) == {"document_number": "X00004711"}
    for other_key, other_id, text in (
        (X25519PrivateKey.generate(), record_id, sealed),
        (key, uuid.uuid4(), sealed),
        (key, record_id, sealed[:-8] + "AAAAAAA="),
        (key, record_id, "%%%"),
    ):
        with pytest.raises(SealFault):
            unseal(text, other_key, other_id)


RECORD_ID = uuid.UUID("01900000-0000-7000-8000-000000000001")
CLOCK = ClockPart(boot_id="b", mono_ns=1, state="unknown")


def body(content, record_id=RECORD_ID):
    return record_body(
        content,
        record_id=record_id,
        source=SOURCE,
        time=NOW,
        epoch=EPOCH,
        seq=1,
        prev_hash=first_prev_hash(EPOCH),
        clock=CLOCK,
    )


SEAL = SealV1(seal_id="S1", state="intact", received_at=NOW)


def test_records_keep_what_a_newer_writer_added():
    members = strict_json.load_object(body(SEAL))
    members["data"]["battery_ratio"] = 0.5
    members["later_attribute"] = "x"
    record = read_record(strict_json.dumps(members))
    assert record.kind == "seal"
    assert record.content().model_extra == {"battery_ratio": 0.5}
    assert record.model_extra == {"later_attribute": "x"}


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("type", "egate.unheard.v1"),
        ("type", "egate.seal.v2"),
        ("id", str(uuid.UUID(int=7))),
        ("seq", 0),
        ("prev_hash", "zz"),
        ("time", "2026-05-01T12:00:00"),
        ("data", {"seal_id": "S1", "state": "open", "received_at": "2026-05-01T12:00:00Z"}),
        ("data", {"seal_id": "S1", "state": "intact", "received_at": "2026-05-01T12:00:00Z", "portrait": "…"}),
        ("data", {"seal_id": "S1", "state": "intact", "received_at": "2026-05-01T12:00:00Z", "x": [{"biometric": 1}]}),
    ],
)
def test_what_is_no_record_is_refused_without_quoting_it(member, value):
    members = strict_json.load_object(body(SEAL)) | {member: value}
    with pytest.raises(RecordRefused) as refusal:
        read_record(strict_json.dumps(members))
    assert refusal.value.code == "CS-REC-002"
    assert "S1" not in str(refusal.value)


def test_writers_refuse_what_readers_would():
    with pytest.raises(RecordRefused):
        body(SEAL, record_id=uuid.UUID(int=1))
    too_long = AlarmV1(
        alarm_id=uuid.uuid4(),
        lane_id=1,
        priority="low",
        reason=ReasonPart(code="fire", parameters={"x": "y" * 70_000}),
        raised_at=NOW,
    )
    with pytest.raises(RecordRefused):
        body(too_long)


def test_every_kind_has_a_schema():
    kinds = {"decision", "crossing", "declaration", "stay", "inspection", "seal", "alarm", "correction", "audit_head"}
    kinds |= {"appeal", "draw_seed", "stay_notice"}
    assert set(json_schemas()) == {f"urn:egate:schema:{kind}.v1" for kind in kinds | {"record"}}


def test_topics_name_gates_exactly():
    gate = GateAddress("UTO", "demo", "gate-1")
    assert parse(gate.topic("up/rec")) == (gate, "up/rec")
    for topic in ("bcp/v1/UTO/demo/gate-1/up/rec/x", "bcp/v1/UTO/_all/gate-1/up/rec", "x/v1/UTO/demo/gate-1/up/rec"):
        assert parse(topic) is None
    for names in (("UT", "demo", "g"), ("UTO", "de/mo", "g"), ("UTO", "demo", "+"), ("UTO", "demo", "")):
        with pytest.raises(ValueError):
            GateAddress(*names)
    assert not any("#" in topic or "+" in topic for topic in gate_subscriptions(gate))
    assert any(topic_matches(pattern, gate.topic("up/old")) for pattern in centre_subscriptions("UTO"))
    assert not any(topic_matches(pattern, gate.topic("down/ack")) for pattern in centre_subscriptions("UTO"))
    assert bundle_kind(everyone("UTO", "watchlist")) == "watchlist"
    assert bundle_kind(gate.topic("up/rec")) is None


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_grows_to_a_minute_and_no_further(attempts, jitter):
    wait_s = backoff_s(attempts, 5.0, jitter)
    assert 2.5 <= wait_s <= 60.0
    assert backoff_s(1, 5.0, 1.0) == 5.0
    assert backoff_s(20, 5.0, 1.0) == 60.0
