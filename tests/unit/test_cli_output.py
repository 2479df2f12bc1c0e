"""What commands print, and what their exit status says."""

import json
import math

import pytest

from gyral.cli.exits import Exit, exit_for
from gyral.cli.output import duration, print_json
from gyral.core.errors import (
    DeviceError,
    GyralError,
    InternalError,
    PolicyError,
    StateError,
    UnsupportedError,
    UserError,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 ns"),
        (3.5e-8, "35.0 ns"),
        (1.254e-6, "1.25 µs"),
        (0.000999, "999 µs"),
        (0.0125, "12.5 ms"),
        (123.4, "123 s"),
    ],
)
def test_durations_have_three_figures_and_a_unit(seconds: float, text: str) -> None:
    """A time is printed in the unit in which it is at least one."""
    assert duration(seconds) == text


def test_json_has_null_for_what_it_cannot_say(capsys: pytest.CaptureFixture[str]) -> None:
    """NaN and infinities, however deep, become null, so that every JSON reader takes the document."""
    print_json({"a": [1.5, math.nan], "b": {"c": math.inf}, "d": "text", "e": (True, None)})
    printed = json.loads(capsys.readouterr().out)
    assert printed == {"a": [1.5, None], "b": {"c": None}, "d": "text", "e": [True, None]}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("x"), Exit.PROGRAM),
        (UnsupportedError("x"), Exit.UNSUPPORTED),
        (DeviceError("x"), Exit.DEVICE),
        (StateError("x"), Exit.STATE),
        (PolicyError("x"), Exit.STATE),
        (InternalError("x"), Exit.INTERNAL),
        (GyralError("x"), Exit.INTERNAL),
    ],
)
def test_each_kind_of_error_has_its_status(error: GyralError, status: Exit) -> None:
    """The exit status tells whose move it is."""
    assert exit_for(error) == status
