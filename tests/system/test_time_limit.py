"""Launches that may take so long and no longer."""

from pathlib import Path

import numpy as np
import pytest
from tests.agreement import needs_device
from tests.processes import run, script

import gyral as gy
from gyral.core.errors import UserError

ENDLESS = """
import numpy as np
import gyral as gy

@gy.kernel
def endless(x: gy.Array[gy.i32]):
    i = gy.global_id()
    while x[i] >= 0:
        x[i] = (x[i] + 1) & 1023

@gy.kernel
def count(x: gy.Array[gy.i32]):
    x[gy.global_id()] += 1

with gy.options(time_limit=0.2):
    try:
        endless[4](np.zeros(4, np.int32))
    except gy.DeviceError as error:
        print(error.kind.value, error)
x = np.zeros(100_000, np.int32)
count[x.size](x)
print(x.sum())
"""


@gy.kernel
def increment(x: gy.Array[gy.i32]):
    x[gy.global_id()] += 1


def test_a_launch_that_never_ends_is_given_up(tmp_path: Path) -> None:
    """A launch past its time limit raises a transient device error, and the device goes on working."""
    told, total = run(script(tmp_path, ENDLESS), tmp_path / "cache").stdout.splitlines()
    assert "transient endless on cpu did not end within 0.2 s" in told
    assert total == "100000"


def test_a_launch_within_its_limit_is_an_ordinary_one() -> None:
    """A time limit that is kept changes nothing."""
    x = np.zeros(1000, np.int32)
    with gy.options(time_limit=60):
        increment[x.size](x)
    assert x.tolist() == [1] * 1000


def test_a_launch_on_device_arrays_keeps_its_order_under_a_limit() -> None:
    """Launches with a limit wait for the work before them on the same arrays."""
    x = gy.zeros(1000, gy.i32, device="cpu")
    increment[x.size](x)
    with gy.options(time_limit=60):
        increment[x.size](x)
    assert x.numpy().tolist() == [2] * 1000


@pytest.mark.parametrize("limit", [0, -1.0, "soon"])
def test_time_limits_that_make_no_sense_are_refused(limit: object) -> None:
    """A time limit is a positive number of seconds."""
    with pytest.raises(UserError, match="time_limit"):
        gy.options(time_limit=limit)


INTERRUPTED = """
import os, signal, threading
import numpy as np
import gyral as gy

@gy.kernel
def endless(x: gy.Array[gy.i32]):
    i = gy.global_id()
    while x[i] >= 0:
        x[i] = (x[i] + 1) & 1023

threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    endless.launch(4, np.zeros(4, np.int32), device="opencl")
except KeyboardInterrupt:
    print("interrupted")
"""


@needs_device("opencl", "pocl-opencl-icd")
def test_ctrl_c_ends_the_wait_for_a_launch_that_never_ends(tmp_path: Path) -> None:
    """Who waits for OpenCL can be interrupted, though OpenCL cannot, and the process ends."""
    done = run(script(tmp_path, INTERRUPTED), tmp_path / "cache")
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
