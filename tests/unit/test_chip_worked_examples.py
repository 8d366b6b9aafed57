"""PACE by integrated mapping and by chip-authentication mapping against ICAO 9303-11 appendices H and I; and a copy that must not pass."""

from collections import deque
from collections.abc import Callable

import pytest

from drivers.chip.channel import ChipChannel
from drivers.chip.chip_authentication import mapping_key_of
from drivers.chip.ciphers import derive_key, encrypt, mrz_seed
from drivers.chip.errors import ChipGone, SecureMessagingLost
from drivers.chip.key_agreement import KeyInvalid, agreement_of
from drivers.chip.pace import ChipSecret, PacePassword, choose, open_with_pace
from drivers.chip.protocol_outcomes import AccessRefused
from drivers.chip.reading import ChipReading
from drivers.contracts import ChipKeys, ProtocolOutcome
from emrtd.security_infos import ChipAuthenticationPublicKey, PaceInfo, SecurityInfos, parse_security_infos

PACE = "0.4.0.127.0.7.2.2.4"
OK = b"\x90\x00"

CURVE_INTEGRATED = {
    "nonce": "2923BE84E16CD6AE529049F1F1BBE9EB",
    "t": "5DD4CBFC96F5453B130D890A1CDBAE32",
    "secret": "A73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595",
    "ours": "0489CBA23FFE96AA18D824627C3E934E54A9FD0B87A95D1471DC1C0ABFDCD640D46755DE9B7B778280B6BEBD57439ADFEB"
    "0E21FD4ED6DF42578C13418A59B34C37",
    "theirs": "0467F78E5F7F7686082B293E8D087E056916D0F74BC01A5F8957D0DE45691E51E8932B69A962B52A0985AD2C0A271EE6A1"
    "3A8ADDDCD1A3A994B9DED257F4D22753",
    "token_ours": "450F02B86F6A0909",
    "token_theirs": "75D4D96E8D5B0308",
    "enc": "0D3FEB33251A6370893D62AE8DAAF51B",
    "mac": "B01E89E3D9E8719E586B50B4A7506E0B",
}
MODULAR_INTEGRATED = {
    "nonce": "FA5B7E3E49753A0DB9178B7B9BD898C8",
    "t": "B3A6DB3C870C3E99245E0D1C06B747DE",
    "secret": "4BD0E54740F9A028E6A515BFDAF967848C4F5F5FFF65AA0915947FFD1A0DF2FA6981271BC905F3551457B7E03AC3B806"
    "6DE4AA406C1171FB43DD939C4BA16175103BA3DEE16419AA248118F90CC36A3D6F4C373652E0C3CCE7F0F1D0C5425B36"
    "00F0F0D6A67F004C8BBA33F2B4733C7252445C1DFC4F1107203F71D2EFB28161",
    "ours": "0F0CC62945A8029251FB7EF3C094E12EC68E4EF07F27CB9D9CD04C5C4250FAE0E4F8A951557E929AEB48E5C6DD47F2F5"
    "CD7C351A9BD2CD722C07EDE166770F08FFCB370262CF308DD7B07F2E0DA9CAAA1492344C852906919538C98A4BA4187E"
    "76CE9D87832386D319CE2E043C3343AEAE6EDBA1A9894DC5094D22F7FE1351D5",
    "theirs": "928D9A0F9DBA450F13FC859C6F290D1D36E42431138A4378500BEB4E0401854CFF111F71CB6DC1D0335807A11388CC8E"
    "AA87B07907AAD9FBA6B169AF6D8C26AF8DDDC39ADC3AD2E3FF882B84D23E9768E95A80E4746FB07A9767679FE92133B4"
    "D379935C771BD7FBED6C7BB4B1708B275EA75679524CDC9C6A91370CC662A2F3",
    "token_ours": "55D61977CBF5307E",
    "token_theirs": "C2F04230187E1525",
    "enc": "01AFC10CF87BE36D8179E87370171F07",
    "mac": "23F0FBD05FD6C7B8B88F4C8309669061",
}
CHIP_MAPPING = {
    "z": "CB60E8E0D85B76A9BD304747C2AD42E2",
    "map_secret": "5D8BB87BD74D985A4B7D4325B9F7B976FE83512277340079 8914AA22738135CC",
    "map_ours": "047F1D410ADB7DDB3B84BF1030800981A9105D7457B4A3ADE002384F3086C67EDE1AB889104A27DB6D842B019020FBF3CE"
    "ACB0DC627F7BDCAC29969E19D0E553C1",
    "map_theirs": "04A234236AA9B9621E8EFB73B5245C0E09D2576E5277183C1208BDD55280CAE8B304F365713A356E65A451E165ECC9AC0A"
    "C46E3771342C8FE5AEDD092685338E23",
    "secret": "76ECFDAA9841C323A3F5FC5E88B88DB3EFF7E35EBF57A7E6946CB630006C2120",
    "ours": "04446C934084D9DAB863944F219520076C29EE3F7AE6722B11FF319EC1C7728F955483400BFF60BF0C5929270009277DC2"
    "A515E12575010AD9BA916CF1BF86FEFC",
    "theirs": "0402AD566F3C6EC7F9324509AD50A51FA52030782A4968FCFEDF737DAEA993333111C3B9B4C2287789BD137E7F8AA882E2"
    "A3C633CCD6ECC2C63C57AD401A09C2E1",
    "token_ours": "E86BD06018A1CD3B",
    "last": "7C3C86088596CF055C67C1A38A301EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F5B7A54BD10CB"
    "A372B42BE0B9B5F28AA8DE2F4F92",
    "enc": "0A9DA4DB03BDDE39FC5202BC44B2E89E",
    "mac": "4B1C06491ED5140CA2B537D344C6C0B1",
    "factor": "85DC3FA93D0952BFA82F5FD189EE75BD82F11D1F0B8ED4BF5319AC9B53C426B3",
    "key_info": "3062060904007F000702020102305230 0C060704007F0007010202010D03420004187270949439 9E7470A6431BE25E83EE"
    "E24FEA568C2ED28DB48E05DB3A610DC884D256A40E35EFCB59BF6753D3A489D28C7A4D973C2DA138A6E7A4A08F68E16F02010D",
}


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def tlv(tag: int, value: bytes) -> bytes:
    return bytes([tag]) + (bytes([len(value)]) if len(value) < 128 else b"\x81" + bytes([len(value)])) + value


def dynamic(tag: int, value: bytes) -> bytes:
    return tlv(0x7C, tlv(tag, value))


class Script:
    atr = b"\x3b\x80\x80\x01\x01"

    def __init__(self, *answers: bytes) -> None:
        self.sent: list[bytes] = []
        self._answers = deque(answers)

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self._answers.popleft() + OK

    def close(self) -> None:
        pass


def secrets_of(*pieces: bytes | int, order: int) -> Callable[[int], bytes]:
    """What a random source must give so that these nonces (bytes) and secrets (numbers) come out."""
    waiting = deque(pieces)

    def random(length: int) -> bytes:
        piece = waiting.popleft()
        return piece if isinstance(piece, bytes) else ((piece - 1) % order).to_bytes(length, "big")

    return random


PASSWORD = PacePassword(mrz_seed("T22000129364081251010318"))


@pytest.mark.parametrize(
    ("arc", "parameter_id", "v"), [("4.2", 13, CURVE_INTEGRATED), ("3.2", 0, MODULAR_INTEGRATED)], ids=["H.1", "H.2"]
)
@pytest.mark.parametrize("mapped", [b"", dynamic(0x82, b"")], ids=["no answer", "an empty one"])
def test_integrated_mapping(arc: str, parameter_id: int, v: dict[str, str], mapped: bytes) -> None:
    protocol = choose([PaceInfo(f"{PACE}.{arc}", 2, parameter_id)])
    order = int("F518AA8781A8DF278ABA4E7D64B7CB9D49462353", 16) if parameter_id == 0 else agreement_order()
    secret = int(v["secret"], 16) % order
    # The appendix prints the nonce encrypted with the key of another zone than it names; the nonce itself is what everything hangs on.
    key = derive_key(protocol.suite, PASSWORD.content, 3)
    chip = Script(
        b"", dynamic(0x80, encrypt(protocol.suite, key, octets(v["nonce"]))), mapped, dynamic(0x84, octets(v["theirs"])),
        dynamic(0x86, octets(v["token_theirs"])),
    )  # fmt: skip
    channel = ChipChannel(chip)
    # A secret is drawn between 1 and the order less one, so what is drawn is taken modulo one less.
    open_with_pace(channel, protocol, PASSWORD, secrets_of(octets(v["t"]), secret, order=order - 1))
    assert chip.sent[2] == octets("10860000") + length_of(dynamic(0x81, octets(v["t"]))) + b"\x00"
    assert chip.sent[3] == octets("10860000") + length_of(dynamic(0x83, octets(v["ours"]))) + b"\x00"
    assert chip.sent[4] == octets("00860000") + length_of(dynamic(0x85, octets(v["token_ours"]))) + b"\x00"
    session = channel.secure_messaging
    assert session is not None
    assert (session._encryption_key, session._mac_key) == (octets(v["enc"]), octets(v["mac"]))


def length_of(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def agreement_order() -> int:
    return int(agreement_of(13, is_elliptic=True).curve.order)  # type: ignore[union-attr]


def run_chip_mapping(last: bytes) -> tuple[Script, ChipChannel, ChipSecret]:
    v = CHIP_MAPPING
    chip = Script(
        b"", dynamic(0x80, octets(v["z"])), dynamic(0x82, octets(v["map_theirs"])), dynamic(0x84, octets(v["theirs"])),
        last,
    )  # fmt: skip
    channel = ChipChannel(chip)
    random = secrets_of(int(v["map_secret"].replace(" ", ""), 16), int(v["secret"], 16), order=agreement_order() - 1)
    protocol = choose([PaceInfo(f"{PACE}.6.2", 2, 13)])
    left = open_with_pace(channel, protocol, PacePassword(mrz_seed("C11T002JM496081222310314")), random)
    assert left is not None
    return chip, channel, left


def test_chip_authentication_mapping_of_appendix_i() -> None:
    v = CHIP_MAPPING
    chip, channel, left = run_chip_mapping(octets(v["last"]))
    assert chip.sent[2][5:-1] == dynamic(0x81, octets(v["map_ours"]))
    assert chip.sent[3][5:-1] == dynamic(0x83, octets(v["ours"]))
    assert chip.sent[4][5:-1] == dynamic(0x85, octets(v["token_ours"]))
    session = channel.secure_messaging
    assert session is not None
    assert (session._encryption_key, session._mac_key) == (octets(v["enc"]), octets(v["mac"]))
    assert left == ChipSecret(octets(v["map_theirs"]), int(v["factor"], 16))
    infos = parse_security_infos(b"\x31\x64" + octets(v["key_info"]))
    (key,) = infos.chip_authentication_keys
    assert mapping_key_of(left, infos) == key
    assert key.key_id == 13


def test_another_key_or_a_changed_proof_is_not_the_chips() -> None:
    v = CHIP_MAPPING
    _, _, left = run_chip_mapping(octets(v["last"]))
    (key,) = parse_security_infos(b"\x31\x64" + octets(v["key_info"])).chip_authentication_keys
    swapped = key.key[: -len(octets(v["map_ours"]))] + octets(v["map_ours"])
    other = ChipAuthenticationPublicKey(key.oid, swapped, None)
    assert mapping_key_of(left, SecurityInfos(chip_authentication_keys=(other,))) is None
    for factor in (0, left.factor + 1):
        secret = ChipSecret(left.mapping_key, factor)
        assert mapping_key_of(secret, SecurityInfos(chip_authentication_keys=(key,))) is None
    off_curve = ChipAuthenticationPublicKey(key.oid, key.key[:-1] + bytes([key.key[-1] ^ 1]), None)
    assert mapping_key_of(left, SecurityInfos(chip_authentication_keys=(off_curve,))) is None


@pytest.mark.parametrize("parameter_id", [0, 1, 2])
def test_a_key_outside_the_subgroup_is_refused(parameter_id: int) -> None:
    agreement = agreement_of(parameter_id, is_elliptic=False)
    agreement.decode(agreement.encode(agreement.apply(5, agreement.generator)))
    with pytest.raises(KeyInvalid):
        agreement.decode(agreement.encode(2))


@pytest.mark.parametrize("echoed", ["map_theirs", "theirs"])
def test_a_chip_that_echoes_our_key_is_refused(echoed: str) -> None:
    v = CHIP_MAPPING | {echoed: CHIP_MAPPING["map_ours" if echoed == "map_theirs" else "ours"]}
    chip = Script(
        b"", dynamic(0x80, octets(v["z"])), dynamic(0x82, octets(v["map_theirs"])), dynamic(0x84, octets(v["theirs"])),
        octets(v["last"]),
    )  # fmt: skip
    random = secrets_of(int(v["map_secret"].replace(" ", ""), 16), int(v["secret"], 16), order=agreement_order() - 1)
    with pytest.raises(AccessRefused):
        open_with_pace(
            ChipChannel(chip),
            choose([PaceInfo(f"{PACE}.6.2", 2, 13)]),
            PacePassword(mrz_seed("C11T002JM496081222310314")),
            random,
        )


@pytest.mark.parametrize(("breaks", "outcome", "asked"), [
    (1, ProtocolOutcome.SUCCEEDED, [True, True]),
    (2, ProtocolOutcome.FAILED, [True, True, False]),
])  # fmt: skip
def test_a_copy_loses_the_session_after_chip_authentication_again_and_a_hiccup_does_not(
    monkeypatch: pytest.MonkeyPatch, breaks: int, outcome: ProtocolOutcome, asked: list[bool]
) -> None:
    """A copy has the state's signed key and not its secret: it answers nothing under the new keys, and everything under the next ones."""
    tries: list[bool] = []

    def read(self: ChipReading, *, with_chip_authentication: bool) -> None:
        tries.append(with_chip_authentication)
        assert not self._is_awaiting_proof, "an answer in this session is no proof of the last one's keys"
        self._is_awaiting_proof = with_chip_authentication
        if len(tries) <= breaks:
            raise SecureMessagingLost("unprotected status 6988", status=0x6988)
        self._proven()

    def no_chip() -> Script:
        raise ChipGone("none")

    monkeypatch.setattr(ChipReading, "_read", read)
    reading = ChipReading(no_chip, ChipKeys("L898902C<369080619406236"), lambda _: None, bytes, lambda: 0.0)
    assert reading.run().chip_authentication is outcome
    assert tries == asked
