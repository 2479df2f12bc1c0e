"""What a CUresult means for whoever made the call: which error, of which kind, and what helps."""

from __future__ import annotations

from gyral.core.errors import DeviceError, DeviceErrorKind, GyralError, StateError, UnsupportedError

NOT_READY = 600
OUT_OF_MEMORY = 2

_TRANSIENT, _RESOURCE = DeviceErrorKind.TRANSIENT, DeviceErrorKind.RESOURCE
_PROGRAMMER, _FATAL = DeviceErrorKind.PROGRAMMER, DeviceErrorKind.FATAL

_CHECK = "run the kernel with check=True, which names the line"
_KINDS: dict[int, tuple[DeviceErrorKind, str]] = {
    1: (_PROGRAMMER, "an argument of the call is out of range"),
    OUT_OF_MEMORY: (_RESOURCE, "drop arrays that are no longer needed, or work in smaller parts"),
    46: (_TRANSIENT, "another process has the device to itself; try again when it is done"),
    201: (_PROGRAMMER, "the device was reset or closed by another part of the program"),
    214: (_FATAL, "the device's memory is damaged; have the hardware checked"),
    220: (_FATAL, "a link between devices failed; have the hardware checked"),
    400: (_PROGRAMMER, "what the call was given was freed before, or belongs to another device"),
    401: (_PROGRAMMER, "the call does not fit the state of what it was given"),
    NOT_READY: (_TRANSIENT, "the device still works; wait for it"),
    700: (_PROGRAMMER, f"a kernel touched memory outside its arrays; {_CHECK}"),
    701: (_RESOURCE, "the launch needs more registers or on-chip memory than there is; use smaller blocks"),
    702: (_TRANSIENT, "the kernel ran longer than the system lets it; launch it over smaller parts"),
    704: (_TRANSIENT, "try again"),
    709: (_FATAL, "the device was reset by another part of the program"),
    710: (_PROGRAMMER, "an assertion in device code failed"),
    711: (_RESOURCE, "the device is linked to as many others as it can be"),
    714: (_PROGRAMMER, "the kernel's stack overflowed"),
    715: (_PROGRAMMER, "the kernel's code is not for this device; clear Gyral's cache"),
    716: (_PROGRAMMER, f"a kernel used an address that is not aligned to its type; {_CHECK}"),
    717: (_PROGRAMMER, f"a kernel used an address of the wrong kind of memory; {_CHECK}"),
    718: (_PROGRAMMER, "the kernel's program counter left its code"),
    719: (_PROGRAMMER, f"the kernel failed while it ran; {_CHECK}"),
    720: (_RESOURCE, "the blocks do not fit the device all at once; launch fewer"),
    802: (_TRANSIENT, "the system's devices are still starting; try again"),
    806: (_TRANSIENT, "the process that shares the device is not reachable; try again"),
    807: (_TRANSIENT, "the process that shares the device is not ready; try again"),
    808: (_TRANSIENT, "too many processes share the device; try again when one has ended"),
    809: (_TRANSIENT, "too many processes share the device; try again when one has ended"),
    909: (_TRANSIENT, "the driver gave up waiting; try again"),
}
_UNSUPPORTED: dict[int, str] = {
    34: "the library found is a stub for linking; install NVIDIA's driver",
    36: "install a newer driver of NVIDIA's",
    100: "there is no device that CUDA can use; see whether CUDA_VISIBLE_DEVICES hides it",
    101: "there is no device of that number",
    200: "the driver does not know this form of machine code; install a newer driver of NVIDIA's",
    209: "the code was made for another device",
    218: "the driver cannot translate the code; install a newer driver of NVIDIA's",
    222: "the code was made by a newer compiler than the driver knows; install a newer driver of NVIDIA's",
    801: "the device or its driver does not offer this",
    803: "the driver's two halves are of different versions; restart the machine after an update",
    804: "the compatibility package does not work with this device; install a matching driver",
}
# After these nothing runs in the context any more: every call gives the same error again.
STICKY = frozenset({214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999})


def failure(device: str, call: str, code: int, described: tuple[str, str], detail: str = "") -> GyralError:
    """The error to raise for a call that gave `code`; `described`: its name and the driver's words for it."""
    name, words = described
    what = f"{device}: {call} failed with {name}" + (f" ({words})" if words else "")
    if detail:
        what += f": {detail}"
    if code in _UNSUPPORTED:
        return UnsupportedError(f"{what}; {_UNSUPPORTED[code]}")
    if code in (3, 4):
        return StateError(
            f"{what}; CUDA does not outlive a fork, nor the end of the process: start workers with the "
            'method "spawn" and use the device there'
        )
    kind, advice = _KINDS.get(code, (_FATAL, "start the process anew; if it happens again, report it"))
    lost = "; what was in the device's memory is lost, reset the device before it is used again"
    return DeviceError(f"{what}; {advice}{lost if code in STICKY else ''}", kind)
