"""`egate doctor` on real interfaces, routes and policy rules: each network stands in a namespace of its own."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.namespaces

LOOK = """
import json, sys
from gate_agent.cli.doctor import barrier_network_looks
from gate_agent.cli.kernel_routes import KernelNetwork
from gate_agent.settings import Settings
settings = Settings.model_validate({
    "sync": {"broker_host": "10.8.0.2"},
    "console": {"host": sys.argv[1]},
    "lane": [{"lane_id": 1, "document_reader": "r", "camera": "c", "barrier": "b"}],
    "device": [
        {"name": "r", "driver": "mrz_serial", "options": {"path": "/dev/r"}},
        {"name": "c", "driver": "opencv_camera", "options": {"source": "/dev/video0"}},
        {"name": "b", "driver": "modbus_barrier", "options": {"host": sys.argv[2]}},
    ],
})
print(json.dumps([(look.result, look.finding) for look in barrier_network_looks(settings, KernelNetwork())]))
"""
WIRES = """
ip link set lo up
ip link add cable0 type veth peer name board0
ip link add office0 type veth peer name switch0
for wire in cable0 board0 office0 switch0; do ip link set $wire up; done
ip addr add 10.9.0.1/$1 dev cable0
ip addr add 10.8.0.1/24 dev office0
"""


def looks(
    *, prefix: int = 30, console: str = "127.0.0.1", barrier: str = "10.9.0.2", more: str = ""
) -> list[list[str]]:
    script = f'set -e\n{WIRES}\n{more}\nshift\nexec "$@"'
    command = ["unshare", "--net", "sh", "-c", script, "sh", str(prefix), sys.executable, "-c", LOOK, console, barrier]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    found: list[list[str]] = json.loads(done.stdout)
    return found


def test_a_cable_of_its_own_is_fine() -> None:
    assert looks() == [["fine", ""]]


def test_the_network_of_the_broker_is_a_finding() -> None:
    ((result, finding),) = looks(barrier="10.8.0.9")
    assert result == "finding"
    assert "over office0, and so is the broker 10.8.0.2" in finding


def test_a_console_that_listens_everywhere_is_a_finding() -> None:
    ((result, finding),) = looks(console="0.0.0.0")
    assert result == "finding"
    assert "over cable0, and so is the console" in finding


def test_a_network_with_room_for_others_is_a_warning() -> None:
    ((result, _),) = looks(prefix=24)
    assert result == "warning"


def test_a_policy_rule_counts_as_it_does_for_the_traffic() -> None:
    rule = "ip route add 10.9.0.0/24 dev office0 table 100\nip rule add to 10.9.0.2 lookup 100"
    ((result, finding),) = looks(more=rule)
    assert result == "finding"
    assert "over office0" in finding


def test_a_gateway_is_a_finding() -> None:
    ((result, finding),) = looks(barrier="10.7.0.2", more="ip route add 10.7.0.0/24 via 10.9.0.2")
    assert result == "finding"
    assert "behind a gateway" in finding
