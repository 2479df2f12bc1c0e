"""Kernels written by hand in WGSL, through wgpu alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import wgpu

from gyral.drivers.webgpu.library import adapters
from jobs import Step
from rivals import HERE, Launch

GROUPS = {"nbody": (64,)}
BY_RANK = {1: (256,), 2: (32, 8)}
"""Workgroups as the text has them, first axis fastest."""


class WebGpu:
    """One device of the adapter that Gyral calls webgpu:`index`."""

    def __init__(self, index: int, clock: Callable[[], float]) -> None:
        self.name = "WGSL by hand"
        adapter = adapters()[index]
        self.device = adapter.request_device_sync(required_limits=dict(adapter.limits))
        self.module = self.device.create_shader_module(code=(HERE / "kernels.wgsl").read_text())
        self.versions = {
            "device": adapter.info["device"],
            "driver": f"{adapter.info['backend_type']} {adapter.info['description']}".strip(),
            "wgpu": wgpu.__version__,
        }
        self._pipelines: dict[str, Any] = {}
        self._pass: Any = None
        self._clock = clock

    def put(self, array: np.ndarray) -> Any:
        usage = wgpu.BufferUsage.STORAGE | wgpu.BufferUsage.COPY_SRC | wgpu.BufferUsage.COPY_DST
        return self.device.create_buffer_with_data(data=array, usage=usage)

    def get(self, held: Any, like: np.ndarray) -> np.ndarray:
        return np.frombuffer(self.device.queue.read_buffer(held), like.dtype).reshape(like.shape)

    def launch(self, step: Step, held: Mapping[str, Any], numbers: Mapping[str, Any]) -> Launch:
        pipeline = self._pipeline(step.kernel)
        arrays = [held[name] for name in step.arguments if name in held]
        given = [numbers[name] for name in step.arguments if name not in held]
        words = b"".join(np.asarray(n).tobytes() for n in given) + np.array(step.sizes, np.uint32).tobytes()
        block = self.device.create_buffer_with_data(
            data=words + bytes(-len(words) % 16), usage=wgpu.BufferUsage.UNIFORM
        )
        entries = [
            {"binding": at, "resource": {"buffer": buffer, "offset": 0, "size": buffer.size}}
            for at, buffer in enumerate([*arrays, block])
        ]
        group = self.device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)
        sizes = (step.block,) if step.block else GROUPS.get(step.kernel, BY_RANK[len(step.shape)])
        counts = [-(-n // g) for n, g in zip(reversed(step.shape), sizes, strict=True)]

        def launch() -> None:
            self._pass.set_pipeline(pipeline)
            self._pass.set_bind_group(0, group)
            self._pass.dispatch_workgroups(*counts)

        return launch

    def seconds(self, launches: Sequence[Launch]) -> float:
        """All launches go into one command buffer, as who writes for this interface does."""
        began = self._clock()
        encoder = self.device.create_command_encoder()
        self._pass = encoder.begin_compute_pass()
        for launch in launches:
            launch()
        self._pass.end()
        self.device.queue.submit([encoder.finish()])
        # The official way to wait raises in this version of wgpu.
        self.device._poll_wait()
        return self._clock() - began

    def _pipeline(self, entry: str) -> Any:
        if entry not in self._pipelines:
            self._pipelines[entry] = self.device.create_compute_pipeline(
                layout="auto", compute={"module": self.module, "entry_point": entry}
            )
        return self._pipelines[entry]
