"""Machine code images."""

import gc
import re
from pathlib import Path

import pytest
from tests.native_kernels import code, plan

from gyral import _native


def _mappings() -> list[str]:
    return Path("/proc/self/maps").read_text().splitlines()


def _protection(address: int) -> str | None:
    for line in _mappings():
        first, last, protection = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
        if int(first, 16) <= address < int(last, 16):
            return protection
    return None


def test_an_image_is_executable_and_not_writable() -> None:
    """Loaded code can be run and read but never written."""
    assert _protection(code("count").address) == "r-xp"


def test_an_image_is_unmapped_with_its_last_reference() -> None:
    """The mapping goes when neither the code nor a plan is left."""
    image = _native.load(b"\xc3" * 50_000_000, 0)
    holder = _native.Plan(image, (), 1, (1, 1, 1))
    address = image.address
    del image
    gc.collect()
    held = _protection(address)
    del holder
    assert (held, _protection(address)) == ("r-xp", None)


def test_the_entry_is_at_its_offset() -> None:
    """The address is that of the entry, not of the image."""
    image = _native.load(b"\xc3" * 64, 16)
    assert image.address % 4096 == 16


def test_the_size_is_that_of_the_image() -> None:
    """Padding to whole pages is not counted."""
    assert _native.load(bytearray(100), 0).size == 100


@pytest.mark.parametrize("entry", [-1, 4, 5])
def test_an_entry_outside_the_image_is_refused(entry: int) -> None:
    """The entry must lie within the image."""
    with pytest.raises(ValueError, match=f"entry {entry} lies outside the image of 4 bytes"):
        _native.load(bytes(4), entry)


def test_an_empty_image_is_refused() -> None:
    """There is nothing to run in no bytes."""
    with pytest.raises(ValueError, match="holds 1 to 268435456 bytes, not 0"):
        _native.load(b"", 0)


def test_an_oversized_image_is_refused() -> None:
    """No kernel is larger than 256 MiB; such an image is damage."""
    with pytest.raises(ValueError, match="not 268435457"):
        _native.load(memoryview(bytes(2**28 + 1)), 0)


def test_code_is_made_by_load_alone() -> None:
    """The type cannot be called, so no code object lacks a mapping."""
    with pytest.raises(TypeError, match="cannot create"):
        _native.Code()


def test_a_plan_keeps_its_code() -> None:
    """The plan's code is the object it was given."""
    held = plan("count")
    assert held.code.size > 0
