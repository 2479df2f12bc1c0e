"""The CUDA driver, `libcuda`, as it comes with the graphics driver. Nothing else is needed to run code."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_char_p, c_float, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_ushort, c_void_p
from functools import cache
from typing import Any

from gyral.core.errors import UnsupportedError

NAME = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
OLDEST = 12000
"""The oldest version of the driver's interface that is taken: 1000 times the major, 10 times the minor."""
_NEEDED = "version 525 or later"

_OUT, _INT, _SIZE = POINTER(c_void_p), POINTER(c_int), POINTER(c_size_t)
_DEVICE_POINTER = c_uint64

# The parameters by the name that the library exports; the result is a CUresult throughout.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (_INT,),
    "cuGetErrorName": (c_int, POINTER(c_char_p)),
    "cuGetErrorString": (c_int, POINTER(c_char_p)),
    "cuDeviceGetCount": (_INT,),
    "cuDeviceGet": (_INT, c_int),
    "cuDeviceGetName": (c_char_p, c_int, c_int),
    "cuDeviceGetAttribute": (_INT, c_int, c_int),
    "cuDeviceTotalMem_v2": (_SIZE, c_int),
    "cuDeviceCanAccessPeer": (_INT, c_int, c_int),
    "cuCtxEnablePeerAccess": (c_void_p, c_uint),
    "cuDevicePrimaryCtxRetain": (_OUT, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuDevicePrimaryCtxReset_v2": (c_int,),
    "cuCtxGetCurrent": (_OUT,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxSynchronize": (),
    "cuMemGetInfo_v2": (_SIZE, _SIZE),
    "cuStreamCreate": (_OUT, c_uint),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamWaitEvent": (c_void_p, c_void_p, c_uint),
    "cuEventCreate": (_OUT, c_uint),
    "cuEventDestroy_v2": (c_void_p,),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventQuery": (c_void_p,),
    "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cuMemAlloc_v2": (POINTER(_DEVICE_POINTER), c_size_t),
    "cuMemFree_v2": (_DEVICE_POINTER,),
    "cuMemPoolCreate": (_OUT, c_void_p),
    "cuMemPoolDestroy": (c_void_p,),
    "cuMemPoolSetAttribute": (c_void_p, c_int, c_void_p),
    "cuMemPoolSetAccess": (c_void_p, c_void_p, c_size_t),
    "cuMemAllocFromPoolAsync": (POINTER(_DEVICE_POINTER), c_size_t, c_void_p, c_void_p),
    "cuMemFreeAsync": (_DEVICE_POINTER, c_void_p),
    "cuMemHostAlloc": (_OUT, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemHostRegister_v2": (c_void_p, c_size_t, c_uint),
    "cuMemHostUnregister": (c_void_p,),
    "cuMemHostGetDevicePointer_v2": (POINTER(_DEVICE_POINTER), c_void_p, c_uint),
    "cuPointerGetAttribute": (c_void_p, c_int, _DEVICE_POINTER),
    "cuMemcpyHtoDAsync_v2": (_DEVICE_POINTER, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, _DEVICE_POINTER, c_size_t, c_void_p),
    "cuMemcpyDtoDAsync_v2": (_DEVICE_POINTER, _DEVICE_POINTER, c_size_t, c_void_p),
    "cuMemcpyPeerAsync": (_DEVICE_POINTER, c_void_p, _DEVICE_POINTER, c_void_p, c_size_t, c_void_p),
    "cuMemsetD8Async": (_DEVICE_POINTER, c_ubyte, c_size_t, c_void_p),
    "cuMemsetD16Async": (_DEVICE_POINTER, c_ushort, c_size_t, c_void_p),
    "cuMemsetD32Async": (_DEVICE_POINTER, c_uint, c_size_t, c_void_p),
    "cuModuleLoadData": (_OUT, c_char_p),
    "cuModuleUnload": (c_void_p,),
    "cuModuleGetFunction": (_OUT, c_void_p, c_char_p),
    "cuFuncGetAttribute": (_INT, c_int, c_void_p),
    "cuFuncSetAttribute": (c_void_p, c_int, c_int),
    "cuOccupancyMaxActiveBlocksPerMultiprocessor": (_INT, c_void_p, c_int, c_size_t),
    "cuLaunchKernel": (c_void_p, *[c_uint] * 7, c_void_p, POINTER(c_void_p), POINTER(c_void_p)),
    "cuLaunchKernelEx": (c_void_p, c_void_p, POINTER(c_void_p), POINTER(c_void_p)),
    "cuGraphCreate": (_OUT, c_uint),
    "cuGraphDestroy": (c_void_p,),
    "cuGraphAddKernelNode_v2": (_OUT, c_void_p, POINTER(c_void_p), c_size_t, c_void_p),
    "cuGraphAddEmptyNode": (_OUT, c_void_p, POINTER(c_void_p), c_size_t),
    "cuGraphInstantiateWithFlags": (_OUT, c_void_p, c_uint64),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecKernelNodeSetParams_v2": (c_void_p, c_void_p, c_void_p),
}


class Library:
    """The functions of one copy of the library, by name. None of them is checked here; see `Session`."""

    def __init__(self, path: str) -> None:
        try:
            loaded = ctypes.CDLL(path)
        except OSError as error:
            raise UnsupportedError(
                f"there is no CUDA driver here ({error}); install NVIDIA's driver, {_NEEDED}, "
                "or use another device"
            ) from error
        self._functions: dict[str, Any] = {}
        missing = []
        for name, parameters in _FUNCTIONS.items():
            function = getattr(loaded, name, None)
            if function is None:
                missing.append(name)
                continue
            function.argtypes, function.restype = parameters, c_int
            self._functions[name] = function
        # The version is asked before anything else: an old driver lacks functions, and that is why.
        self.version = self._version()
        if 0 < self.version < OLDEST:
            raise UnsupportedError(
                f"the CUDA driver is of version {spelled(self.version)}, and Gyral needs {spelled(OLDEST)} "
                f"or newer; install a newer driver of NVIDIA's, {_NEEDED}"
            )
        if missing:
            raise UnsupportedError(
                f"{path} is no whole CUDA driver: it lacks functions such as {missing[0]}; "
                "install NVIDIA's driver anew"
            )

    def __getitem__(self, name: str) -> Any:
        return self._functions[name]

    def address(self, name: str) -> int:
        """Where a function begins, for those who call it without Python."""
        return ctypes.cast(self._functions[name], c_void_p).value or 0

    def describe(self, code: int) -> tuple[str, str]:
        """The name of an error and what the driver says about it."""
        found = []
        for function in ("cuGetErrorName", "cuGetErrorString"):
            text = c_char_p()
            failed = self._functions[function](code, ctypes.byref(text))
            found.append("" if failed or text.value is None else text.value.decode(errors="replace"))
        return found[0] or f"CUresult {code}", found[1]

    def _version(self) -> int:
        found = c_int()
        asked = self._functions.get("cuDriverGetVersion")
        return 0 if asked is None or asked(ctypes.byref(found)) else found.value


@cache
def library(path: str = NAME) -> Library:
    """The library at a path, loaded once. UnsupportedError when it is missing or too old."""
    return Library(path)


def spelled(version: int) -> str:
    """A version of the driver's interface as people write it."""
    return f"{version // 1000}.{version % 1000 // 10}"


def integer(function: Any, *args: Any) -> tuple[int, int]:
    """Call a function whose first parameter takes an int: its CUresult and that int."""
    found = c_int()
    code: int = function(ctypes.byref(found), *args)
    return code, found.value
