"""Hosted barriers, cameras, readers and printers: the suites of their classes, run against the agent's side of a host."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.twin import CameraTwin
from drivers.contracts import DeviceState
from tests.contract import barrier_bench, test_barrier_driver, test_camera_contract, test_serial_readers
from tests.contract.hosted_here import hosted
from tests.contract.test_barrier_driver import (  # noqa: F401 - the suite itself
    AnyTwin,
    test_a_count_that_cannot_be_is_refused,
    test_a_door_that_moves_without_our_release_is_told_within_a_second,
    test_a_family_passes_on_one_release_and_nobody_after_it,
    test_a_lockdown_ends_releases_and_refuses_new_ones_until_it_is_lifted,
    test_a_lockdown_that_meets_a_release_on_its_way_ends_it,
    test_a_lost_reply_is_read_back_and_never_pulses_twice,
    test_a_lost_reply_with_a_passage_meanwhile_never_pulses_twice,
    test_a_lost_request_is_proven_and_sent_again,
    test_a_passage_opens_counts_and_closes,
    test_a_release_nobody_can_read_back_is_undetermined,
    test_a_request_lost_twice_is_told_as_not_made,
    test_a_time_to_live_that_cannot_be_set_is_refused,
    test_away_means_not_made,
    test_end_releases_ends_running_ones,
    test_inputs_come_once_at_ready_and_then_on_change_only,
    test_the_watchdog_ends_a_release_when_the_software_is_gone,
)
from tests.contract.test_camera_contract import (  # noqa: F401 - the suite itself
    Post,
    test_faces_are_wiped_from_memory_when_capture_ends,
    test_frames_come_only_while_active_and_show_the_scene,
)
from tests.contract.test_serial_readers import (  # noqa: F401 - the suite itself
    test_a_command_to_an_absent_reader_is_a_typed_fault,
    test_a_document_comes_is_read_and_goes,
    test_pictures_of_the_page_come_whole_and_once_more_when_asked,
    test_read_again_gives_another_read_of_the_same_document,
    test_symbols_arrive_as_bytes_with_their_symbology,
)


class HostedGate(barrier_bench.Gate):
    def made_by(self, make: object) -> object:
        return hosted("modbus_barrier" if make is barrier_bench.build else "modbus_rtu_barrier")


class HostedPost(Post):
    build = staticmethod(hosted("opencv_camera"))


class HostedReader(test_serial_readers.Reader):
    @staticmethod
    def build(name, driver, options, sink, clock):
        return hosted(driver)(name, options, sink, clock)


@pytest.fixture(autouse=True)
def _hosted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_barrier_driver, "Gate", HostedGate)


@pytest.fixture
async def twin(request: pytest.FixtureRequest) -> AsyncIterator[object]:
    """The network barrier's or the camera's twin, as the test's module has it."""
    if "post" in request.fixturenames:
        camera = CameraTwin(fps=20, width_px=640, height_px=480, variants=3)
        camera.show(test_camera_contract.scene(), face_px=120)
        async with camera:
            yield camera
        return
    barrier = ModbusBarrierTwin(transit_s=0.03, open_s=0.06, watchdog_s=0.4)
    await barrier.plug()
    yield barrier
    await barrier.stop()


@pytest.fixture
async def gate(twin: AnyTwin) -> AsyncIterator[barrier_bench.Gate]:
    running = HostedGate(twin)
    await running.until(running.inputs)
    yield running
    await running.stop()


@pytest.fixture
async def post(twin: CameraTwin) -> AsyncIterator[Post]:
    running = HostedPost(twin.url, fps=20, read_barcodes=True, reading_fps=10, **test_camera_contract.FAST_LIMITS)
    await running.until_state(DeviceState.READY)
    yield running
    await running.end()


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[HostedReader]:
    twin = test_serial_readers.MrzReaderTwin(tmp_path / "reader")
    await twin.plug()
    running = HostedReader("mrz_serial", twin)
    await running.until_state(DeviceState.READY)
    yield running
    await running.stop()


@pytest.fixture
async def scanner(tmp_path: Path) -> AsyncIterator[HostedReader]:
    twin = test_serial_readers.BarcodeReaderTwin(tmp_path / "scanner")
    await twin.plug()
    running = HostedReader("barcode_serial", twin)
    await running.until_state(DeviceState.READY)
    yield running
    await running.stop()
