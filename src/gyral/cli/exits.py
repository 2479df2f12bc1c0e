"""What the exit status of `gyral` says. docs/pages/cli.md lists the same."""

from enum import IntEnum

from gyral.core.errors import (
    DeviceError,
    GyralError,
    InternalError,
    PolicyError,
    StateError,
    UnsupportedError,
    UserError,
)


class Exit(IntEnum):
    """Exit statuses, stable between versions."""

    OK = 0
    MISMATCH = 1
    """The command ran and what it checked is wrong: results differ, a conformance row fails."""
    USAGE = 2
    """The command line is wrong: an unknown option, a missing file."""
    PROGRAM = 3
    """The kernel or the call is wrong: a compile error, for example."""
    UNSUPPORTED = 4
    """Meaningful, but not on this device or in this build."""
    DEVICE = 5
    """The device or its driver failed, or a check inside a kernel did."""
    STATE = 6
    """An object was used outside its life, or a policy refused."""
    INTERNAL = 70
    """A fault of Gyral itself."""
    INTERRUPTED = 130
    """Ctrl-C."""


BY_ERROR: tuple[tuple[type[GyralError], Exit], ...] = (
    (UserError, Exit.PROGRAM),
    (UnsupportedError, Exit.UNSUPPORTED),
    (DeviceError, Exit.DEVICE),
    (StateError, Exit.STATE),
    (PolicyError, Exit.STATE),
    (InternalError, Exit.INTERNAL),
)


def exit_for(error: GyralError) -> Exit:
    """The status that tells of `error`."""
    return next((status for kind, status in BY_ERROR if isinstance(error, kind)), Exit.INTERNAL)
