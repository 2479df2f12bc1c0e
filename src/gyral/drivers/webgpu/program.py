"""Programs: a pipeline and the bind groups it was launched with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gyral.core import abi
from gyral.core.artifact import ArrayParameter, Signature
from gyral.core.errors import DeviceError, DeviceErrorKind
from gyral.drivers.webgpu import library
from gyral.drivers.webgpu.link import Link
from gyral.drivers.webgpu.memory import Memory

_COMPUTE = 4
_KEPT = 64


@dataclass(eq=False, slots=True)
class Program:
    """Code that runs; all that is of the device is made anew when the device was lost and found again.

    `written`: per memory binding whether the code writes it, the record last. `size`: bytes of parameters.
    `pipelines`: by the constants of `core.abi` that the code asks for, as far as they were needed.
    """

    signature: Signature
    code: str
    written: tuple[bool, ...]
    size: int
    generation: int = -1
    module: Any = None
    layout: Any = None
    pipelines: dict[tuple[bool, bool], Any] = field(default_factory=dict)
    groups: dict[tuple[int, ...], tuple[Any, Sequence[Memory]]] = field(default_factory=dict)
    _asks: tuple[bool, bool] = field(init=False)

    def __post_init__(self) -> None:
        self._asks = f"override {abi.OFFSETS}:" in self.code, f"override {abi.RAGGED}:" in self.code

    def build(self, link: Link, generation: int) -> None:
        """Compile for a device. DeviceError of kind PROGRAMMER with the compiler's words when it cannot."""
        device = link.device
        entries = [_entry(0, {"type": "uniform", "has_dynamic_offset": True, "min_binding_size": self.size})]
        for number, written in enumerate(self.written, 1):
            entries.append(_entry(number, {"type": "storage" if written else "read-only-storage"}))
        with library.catching():
            self.module = device.create_shader_module(code=self.code)
            self.layout = device.create_bind_group_layout(entries=entries)
        self.groups.clear()
        self.pipelines.clear()
        self.pipeline(link, False, False)
        self.generation = generation

    def pipeline(self, link: Link, offsets: bool, ragged: bool) -> Any:
        """The pipeline for launches of which this is so: see `abi.OFFSETS` and `abi.RAGGED`."""
        asked, other = self._asks
        key = offsets and asked, ragged and other
        found = self.pipelines.get(key)
        if found is None:
            constants = {}
            if asked:
                constants[abi.OFFSETS] = offsets
            if other:
                constants[abi.RAGGED] = ragged
            with library.catching():
                found = self.pipelines[key] = link.device.create_compute_pipeline(
                    layout=link.device.create_pipeline_layout(bind_group_layouts=[self.layout]),
                    compute={"module": self.module, "entry_point": abi.ENTRY, "constants": constants},
                )
        return found

    def group(self, link: Link, parameters: Any, memories: Sequence[Memory]) -> Any:
        """The bind group over a buffer of parameters and memories; those used before are kept."""
        key = tuple(memory.base for memory in memories)
        found = self.groups.get(key)
        if found is not None:
            return found[0]
        if len(self.groups) >= _KEPT:
            self._evict()
        made = self.bind(link, parameters, memories)
        self.groups[key] = made, memories
        for memory in memories:
            memory.users[id(self.groups), key] = self.groups
        return made

    def bind(self, link: Link, parameters: Any, memories: Sequence[Memory]) -> Any:
        """A new bind group."""
        entries = [{"binding": 0, "resource": {"buffer": parameters, "offset": 0, "size": self.size}}]
        for number, memory in enumerate(memories, 1):
            whole = {"buffer": memory.buffer, "offset": 0, "size": memory.nbytes}
            entries.append({"binding": number, "resource": whole})
        with library.catching():
            return link.device.create_bind_group(layout=self.layout, entries=entries)

    def _evict(self) -> None:
        key = next(iter(self.groups))
        _, memories = self.groups.pop(key)
        for memory in memories:
            memory.users.pop((id(self.groups), key), None)


def program_of(signature: Signature, code: str) -> Program:
    """A program by the convention of `core.abi`, not built yet."""
    arrays = [p for p in signature.parameters if isinstance(p, ArrayParameter)]
    groups = signature.options.groups
    if len(groups) != len(arrays):
        raise DeviceError(
            f"{signature.name} was compiled without the buffers of its {len(arrays)} arrays",
            DeviceErrorKind.PROGRAMMER,
        )
    written = [False] * (max(groups, default=-1) + 1)
    for number, array in zip(groups, arrays, strict=True):
        written[number] = written[number] or array.writes
    if signature.sites:
        written.append(True)
    return Program(signature, code, tuple(written), parameter_bytes(signature))


def parameter_bytes(signature: Signature) -> int:
    """Bytes of a launch's slots, in whole vec4<u32>."""
    return -(-8 * sum(1 for _ in abi.slot_names(signature)) // 16) * 16


def _entry(number: int, buffer: dict[str, Any]) -> dict[str, Any]:
    return {"binding": number, "visibility": _COMPUTE, "buffer": buffer}
