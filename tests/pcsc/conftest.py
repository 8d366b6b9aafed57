"""One pcscd for the tests of a module, and how often a chip is pulled."""

from collections.abc import Iterator

import pytest

from tests.conftest import obstacle
from tests.pcsc.pcsc_service import PcscService

EVERY_SEVENTH = slice(0, None, 7)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-pull", action="store_true", help="pull the chip at every single command, short ones too")


@pytest.fixture(scope="module")
def service() -> Iterator[PcscService]:
    if reason := obstacle("pcsc"):
        pytest.skip(reason)
    service = PcscService()
    service.begin()
    yield service
    service.end()


@pytest.fixture
def pulls(request: pytest.FixtureRequest) -> slice:
    """Which of the many short commands a chip is pulled at; a read with long ones is always swept whole."""
    return slice(None) if request.config.getoption("--every-pull", default=False) else EVERY_SEVENTH
