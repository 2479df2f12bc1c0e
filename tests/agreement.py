"""What a device must answer to a row: the results of the interpreter, or a refusal its record foretells."""

import pytest

from gyral.runtime.device import devices
from gyral.testing import conformance
from gyral.testing.case import Case


def needs_device(kind: str, package: str) -> pytest.MarkDecorator:
    """Skip tests where no device of a kind is here."""
    present = any(found.kind == kind for found in devices())
    return pytest.mark.skipif(not present, reason=f"no {kind} device here: install {package}")


def outcome(case: Case, device: str) -> tuple[str, str]:
    """How a row came out, and what was wrong or missing."""
    row = conformance.run_case(case, device)
    return row.outcome, row.detail


def foretold(case: Case, device: str) -> tuple[str, str]:
    """How a row must come out by the device's capability record."""
    lacks = conformance.missing(case, conformance.device_named(device).capabilities)
    return ("refused", lacks) if lacks else ("pass", "")
