"""This processor as devices with memory of their own: one whose loops go in supersteps, two where they stay.

The first is a driver that hides that it is the host. The second stands behind the stand-in for CUDA's driver:
what is launched there runs as machine code, in a thread of its own. The third runs CUDA C++ compiled as C++.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

from tests.cudashim import device as cuda_shim
from tests.fake_cuda import FakeCuda, opened

from gyral.core.artifact import Artifact
from gyral.core.driver import Launch
from gyral.drivers.cpu.driver import CpuDriver
from gyral.drivers.cuda.driver import CudaDriver
from gyral.jit import targets
from gyral.jit.records import new_record
from gyral.runtime.device import Device, register
from gyral.runtime.device import device as device_named

KIND = "cpu-apart"
TEXT_KIND = "cuda-text"
MARK = b"stand-in"
"""How code begins that the stand-in for CUDA's driver takes."""


class ApartDriver(CpuDriver):
    """The CPU's driver without what tells that host memory is device memory."""

    name = KIND
    broken = False
    """Whether launches fail from now on."""

    @property
    def capabilities(self) -> Any:  # type: ignore[override]
        """Those of the processor, but for what a device apart lacks."""
        return replace(CpuDriver().capabilities, unified=False, progress=False)

    def launch(self, queue: Any, program: Any, launch: Launch) -> None:
        """Run a launch with a record of the host's."""
        if self.broken:
            raise RuntimeError("the card fell off the bus")
        super().launch(queue, program, replace(launch, record=new_record(program.signature)))


@cache
def device() -> Device:
    """The device whose loops go in supersteps; the first call makes its kind known."""
    targets.TARGETS[KIND] = replace(targets.TARGETS["cpu"], kind=KIND, listed=False)
    register(KIND, lambda index: ApartDriver(), listed=False)
    return device_named(KIND)


class TextDriver(cuda_shim.Device):
    """CUDA C++ compiled as C++, on which loops stay: each launch that does is a thread."""

    def __init__(self) -> None:
        super().__init__()
        self.name = TEXT_KIND
        self.capabilities = replace(self.capabilities, progress=True)

    def share(self, block: memoryview) -> int:
        """Host memory is device memory."""
        return ctypes.addressof(ctypes.c_ubyte.from_buffer(block))

    def unshare(self, block: memoryview) -> None:
        """Nothing was done."""

    def stay(self, queue: Any, program: Any, launch: Launch) -> None:
        """Compile the program before its thread begins."""
        if program.name not in self.functions:
            self.compile([program])
        self.running = threading.Thread(target=self.launch, args=(None, program, launch))
        self.running.start()

    def wait_until(self, mark: Any, seconds: float) -> bool:
        """Whether nothing stays here now."""
        return not self.running.is_alive()

    def abandon(self, queue: Any) -> str:
        """Threads are not stopped."""
        return "it goes on"


@cache
def text_device() -> Device:
    """The device that runs CUDA C++ as C++ and where loops stay."""
    cuda_shim.device()
    targets.TARGETS[TEXT_KIND] = replace(targets.TARGETS[cuda_shim.KIND], kind=TEXT_KIND)
    register(TEXT_KIND, lambda index: TextDriver(), listed=False)
    return device_named(TEXT_KIND)


@contextmanager
def resident(fake: FakeCuda, monkeypatch: Any) -> Iterator[Device]:
    """A CUDA device of the stand-in on which loops stay, with one worker."""
    codes: dict[int, Any] = {}
    processor = CpuDriver()

    def compiled(kind: str, request: Any) -> Artifact:
        made = COMPILE("cpu", replace(request, options=replace(request.options, features=())))
        start = {"entry": "gyral_kernel", "start": str(made.entry)}
        return Artifact("cubin", MARK + made.code, 0, made.signature, start)

    def load(self: CudaDriver, artifact: Artifact) -> Any:
        code, start = artifact.code.removeprefix(MARK), int(artifact.extra["start"])
        made = LOAD(self, artifact)
        codes[id(made)] = processor.load(Artifact("cpu-image", code, start, artifact.signature))
        return made

    def stay(self: CudaDriver, queue: Any, program: Any, launch: Launch) -> None:
        code = codes[id(program)]
        mine = replace(launch, record=new_record(code.signature))
        fake.kernel(lambda *_: threading.Thread(target=processor.launch, args=(None, code, mine)).start())
        STAY(self, queue, program, launch)

    monkeypatch.setattr(targets, "compile_for", compiled)
    monkeypatch.setattr(CudaDriver, "load", load)
    monkeypatch.setattr(CudaDriver, "stay", stay)
    monkeypatch.setattr(CudaDriver, "wait_until", lambda self, mark, seconds: False)
    with opened() as driver:
        yield Device("cuda", driver)


COMPILE, LOAD, STAY = targets.compile_for, CudaDriver.load, CudaDriver.stay
