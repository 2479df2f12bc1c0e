"""A stand-in for Metal's objects as PyObjC shows them, over kernels compiled for this processor (`shim`).

Nothing runs before somebody waits for it, so that a driver that looks too early is found out; buffers stand
between guards that are looked at after every kernel. Method names are Metal's.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.msl import shim

_GUARD = bytes([0xC3]) * 64
COMMITTED, COMPLETED, FAILED = 2, 4, 5


class Size(NamedTuple):
    """MTLSize."""

    width: int
    height: int
    depth: int


class Error:
    """NSError."""

    def __init__(self, text: str, code: int = 1) -> None:
        self.text = text
        self.number = code

    def code(self) -> int:
        return self.number

    def localizedDescription(self) -> str:
        return self.text


class Contents:
    """What `contents` gives: memory that becomes a buffer when its size is told."""

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory

    def as_buffer(self, count: int) -> memoryview:
        return self.memory[:count]


class Buffer:
    """MTLBuffer with guards on both sides."""

    def __init__(self, nbytes: int, data: bytes = b"") -> None:
        self.nbytes = nbytes
        self.held = ctypes.create_string_buffer(_GUARD + data.ljust(nbytes, b"\xa5") + _GUARD, nbytes + 128)
        self.address = ctypes.addressof(self.held) + 64

    def contents(self) -> Contents:
        return Contents(memoryview(self.held).cast("B")[64 : 64 + self.nbytes])

    def whole(self) -> bool:
        raw = memoryview(self.held).cast("B")
        return raw[:64] == _GUARD == raw[64 + self.nbytes : 128 + self.nbytes]


class Event:
    """MTLSharedEvent: a number that only grows."""

    def __init__(self) -> None:
        self.value = 0
        self.signallers: dict[int, CommandBuffer] = {}

    def signaledValue(self) -> int:
        return self.value

    def waitUntilSignaledValue_timeoutMS_(self, value: int, milliseconds: int) -> bool:
        self.reach(value)
        return self.value >= value

    def reach(self, value: int) -> None:
        signaller = self.signallers.get(value)
        if self.value < value and signaller is not None and not signaller.device.stuck:
            signaller.waitUntilCompleted()


class Pipeline:
    """MTLComputePipelineState."""

    def __init__(self, device: Device, text: str, version: int, entry: str) -> None:
        self.key = (text, version, entry)
        self.device = device
        self.width = 32

    def maxTotalThreadsPerThreadgroup(self) -> int:
        return self.device.block_limit

    def threadExecutionWidth(self) -> int:
        return self.width


class Library:
    """MTLLibrary."""

    def __init__(self, text: str, version: int) -> None:
        self.text = text
        self.version = version

    def newFunctionWithName_(self, name: str) -> tuple[Library, str]:
        return self, name


class Encoder:
    """A compute or blit encoder."""

    def __init__(self, command: CommandBuffer) -> None:
        self.command = command
        self.pipeline: Pipeline | None = None
        self.bound: dict[int, tuple[Buffer, int]] = {}
        self.ended = False

    def setComputePipelineState_(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def setBuffer_offset_atIndex_(self, buffer: Buffer, offset: int, index: int) -> None:
        self.bound[index] = buffer, offset

    def setBytes_length_atIndex_(self, data: bytes, length: int, index: int) -> None:
        assert length == len(data) <= 4096
        self.bound[index] = Buffer(length, data), 0

    def dispatchThreadgroups_threadsPerThreadgroup_(self, groups: Size, block: Size) -> None:
        assert min(*groups, *block) > 0
        pipeline, bound = self.pipeline, dict(self.bound)
        self.command.work.append(lambda: self.command.device.run(pipeline, bound, groups, block))

    def copyFromBuffer_sourceOffset_toBuffer_destinationOffset_size_(
        self, source: Buffer, start: int, target: Buffer, place: int, size: int
    ) -> None:
        assert size % 4 == start % 4 == place % 4 == 0

        def copy() -> None:
            target.contents().memory[place : place + size] = source.contents().memory[start : start + size]

        self.command.work.append(copy)

    def fillBuffer_range_value_(self, target: Buffer, place: tuple[int, int], value: int) -> None:
        offset, size = place
        assert size % 4 == offset % 4 == 0

        def fill() -> None:
            target.contents().memory[offset : offset + size] = bytes([value]) * size

        self.command.work.append(fill)

    def endEncoding(self) -> None:
        self.ended = True


class CommandBuffer:
    """MTLCommandBuffer: work that runs in its queue's order when somebody waits."""

    def __init__(self, queue: CommandQueue) -> None:
        self.queue = queue
        self.device = queue.device
        self.work: list[Callable[[], None]] = []
        self.encoders: list[Encoder] = []
        self.state = 0
        self.failure: Error | None = None
        self.times = (0.0, 0.0)

    def computeCommandEncoder(self) -> Encoder:
        return self._encoder()

    def blitCommandEncoder(self) -> Encoder:
        return self._encoder()

    def encodeWaitForEvent_value_(self, event: Event, value: int) -> None:
        self.work.append(lambda: event.reach(value))

    def encodeSignalEvent_value_(self, event: Event, value: int) -> None:
        event.signallers[value] = self
        self.work.append(lambda: setattr(event, "value", value))

    def commit(self) -> None:
        assert self.state == 0
        assert all(encoder.ended for encoder in self.encoders)
        self.state = COMMITTED
        self.queue.committed.append(self)

    def waitUntilCompleted(self) -> None:
        while self.state == COMMITTED:
            self.queue.committed.popleft().run()

    def run(self) -> None:
        start = self.device.tick()
        try:
            for piece in self.work:
                piece()
            self.state = COMPLETED
        except Failed as failed:
            self.failure, self.state = failed.error, FAILED
        except shim.ShimError as error:
            self.failure, self.state = Error(str(error)), FAILED
        self.times = start, self.device.tick()

    def status(self) -> int:
        return self.state

    def error(self) -> Error | None:
        return self.failure

    def GPUStartTime(self) -> float:
        return self.times[0]

    def GPUEndTime(self) -> float:
        return self.times[1]

    def _encoder(self) -> Encoder:
        assert all(encoder.ended for encoder in self.encoders)
        self.encoders.append(Encoder(self))
        return self.encoders[-1]


class CommandQueue:
    """MTLCommandQueue."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.committed: deque[CommandBuffer] = deque()

    def commandBuffer(self) -> CommandBuffer:
        return CommandBuffer(self)


class Failed(Exception):
    """Makes the command buffer that runs fail."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.text)
        self.error = error


class Device:
    """MTLDevice. `dry`: kernels are noted in `texts` and do nothing. `fail`: what the next kernel ends in.

    `stuck`: work does not end. `refuses`: why no pipeline is made.
    """

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.block_limit = 1024
        self.buffer_limit = 1 << 30
        self.dry = False
        self.fail: Error | None = None
        self.refuses: Error | None = None
        self.stuck = False
        self.texts: dict[tuple[str, int, str], shim.Kernel | None] = {}
        self.clock = 0.0

    def registryID(self) -> int:
        return self.number

    def maxThreadsPerThreadgroup(self) -> Size:
        return Size(1024, 1024, 1024)

    def maxThreadgroupMemoryLength(self) -> int:
        return 32768

    def recommendedMaxWorkingSetSize(self) -> int:
        return 1 << 34

    def maxBufferLength(self) -> int:
        return self.buffer_limit

    def supportsFamily_(self, family: int) -> bool:
        return True

    def newLibraryWithSource_options_error_(
        self, text: str, options: CompileOptions, error: None
    ) -> tuple[Library | None, Error | None]:
        version = 100 * (options.version >> 16) + 10 * (options.version & 0xFFFF)
        return (
            (Library(text, version), None)
            if "[[kernel" in text or "kernel void" in text
            else (None, Error("no kernel"))
        )

    def newComputePipelineStateWithFunction_error_(
        self, function: tuple[Library, str], error: None
    ) -> tuple[Pipeline | None, Error | None]:
        if self.refuses is not None:
            return None, self.refuses
        library, name = function
        pipeline = Pipeline(self, library.text, library.version, name)
        self.texts.setdefault(pipeline.key, None)
        return pipeline, None

    def newBufferWithLength_options_(self, nbytes: int, mode: int) -> Buffer | None:
        return Buffer(nbytes) if nbytes <= self.buffer_limit else None

    def newBufferWithBytes_length_options_(self, data: bytes, nbytes: int, mode: int) -> Buffer:
        return Buffer(nbytes, data)

    def newCommandQueue(self) -> CommandQueue:
        return CommandQueue(self)

    def newSharedEvent(self) -> Event:
        return Event()

    def tick(self) -> float:
        self.clock += 0.001
        return self.clock

    def run(self, pipeline: Any, bound: dict[int, tuple[Buffer, int]], groups: Size, block: Size) -> None:
        """One dispatch."""
        if self.fail is not None:
            failure, self.fail = self.fail, None
            raise Failed(failure)
        if self.dry:
            return
        kernel = self.texts[pipeline.key]
        if kernel is None:
            text, version, entry = pipeline.key
            kernel = self.texts[pipeline.key] = shim.compiled([text], version, entry)[0]
        kernel.run([b.address + o for _, (b, o) in sorted(bound.items())], groups, block)
        broken = [index for index, (buffer, _) in bound.items() if not buffer.whole()]
        if broken:
            raise Failed(Error(f"a kernel wrote beside the buffers {broken}", 3))

    def compile_together(self) -> None:
        """Compile everything that was asked for and is not compiled yet, in one go where that succeeds."""
        missing = [key for key, kernel in self.texts.items() if kernel is None and key[2] == shim.ENTRY]
        for version in sorted({key[1] for key in missing}):
            keys = [key for key in missing if key[1] == version]
            try:
                self.texts.update(zip(keys, shim.compiled([key[0] for key in keys], version), strict=True))
            except shim.ShimError:
                continue  # each is compiled alone when it runs, which shows whose fault it is


class CompileOptions:
    """MTLCompileOptions."""

    @classmethod
    def alloc(cls) -> CompileOptions:
        return cls()

    def init(self) -> CompileOptions:
        self.version = 2 << 16 | 4
        self.math: int | None = None
        return self

    def setLanguageVersion_(self, version: int) -> None:
        self.version = version

    def setMathMode_(self, mode: int) -> None:
        self.math = mode


class Metal:
    """The module."""

    MTLResourceStorageModeShared = 0
    MTLMathModeSafe = 0
    MTLGPUFamilyMetal3 = 5001
    MTLLanguageVersion3_0, MTLLanguageVersion3_2 = 3 << 16, 3 << 16 | 2
    MTLCompileOptions = CompileOptions
    MTLSizeMake = Size

    def __init__(self, count: int = 1) -> None:
        self.devices = [self.made(number + 1) for number in range(count)]

    def made(self, number: int) -> Device:
        """A device."""
        return Device(number)

    def MTLCreateSystemDefaultDevice(self) -> Device | None:
        return self.devices[0] if self.devices else None

    def MTLCopyAllDevices(self) -> list[Device]:
        return list(reversed(self.devices))


class OldMetal(Metal):
    """The module on an older system with an older device."""

    def made(self, number: int) -> Device:
        return OldDevice(number)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("MTLLanguageVersion3"):
            raise AttributeError(name)
        return super().__getattribute__(name)


class OldDevice(Device):
    """Half as many threads in a simdgroup, so that none is used, and no float atomics."""

    def supportsFamily_(self, family: int) -> bool:
        return False

    def newComputePipelineStateWithFunction_error_(
        self, function: tuple[Library, str], error: None
    ) -> tuple[Pipeline | None, Error | None]:
        pipeline, refused = super().newComputePipelineStateWithFunction_error_(function, error)
        if pipeline is not None:
            pipeline.width = 16
        return pipeline, refused
