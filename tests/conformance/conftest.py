"""The devices on which tests of this folder run."""

import pytest
from tests.msl import device as stand_in
from tests.msl import shim

import gyral as gy
from gyral.core.errors import DeviceError, UnsupportedError

STAND_INS = list(stand_in.KINDS) if shim.compiler() is not None else []


@pytest.fixture(params=["cuda", "metal", "opencl", "webgpu", *STAND_INS])
def device(request: pytest.FixtureRequest) -> gy.Device:
    """Each device with memory of its own that is here, and the stand-ins for Metal."""
    if request.param in STAND_INS:
        stand_in.device(request.param)
    try:
        return gy.device(request.param)
    except (UnsupportedError, DeviceError) as error:
        pytest.skip(str(error))
