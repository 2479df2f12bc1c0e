"""Objects that are damaged or need more than a flat image are refused by name."""

from __future__ import annotations

import struct

import pytest

from gyral.core.errors import InternalError
from gyral.drivers.cpu import codegen, image

PLAIN = "define i32 @one() {\n ret i32 1\n}"


def plain() -> bytearray:
    """A good object, to be damaged."""
    return bytearray(codegen.assemble(PLAIN, codegen.host()))


def test_an_executable_is_no_object() -> None:
    """An ELF file of another type than relocatable is refused with its type."""
    data = plain()
    struct.pack_into("<H", data, 16, 2)
    with pytest.raises(InternalError, match="type 2"):
        image.flatten(bytes(data), "one")


def test_another_machine_is_refused() -> None:
    """An object for a machine that no kernel runs on is refused with its number."""
    data = plain()
    struct.pack_into("<H", data, 18, 243)
    with pytest.raises(InternalError, match="machine 243"):
        image.flatten(bytes(data), "one")


def test_a_cut_section_table_is_refused() -> None:
    """An object that ends within its section table says so."""
    data = plain()
    (table,) = struct.unpack_from("<Q", data, 40)
    with pytest.raises(InternalError, match="cut short"):
        image.flatten(bytes(data[: table + 100]), "one")


def test_an_object_without_symbols_is_refused() -> None:
    """Where no section is a symbol table, the entry cannot be found."""
    data = plain()
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, _ = struct.unpack_from("<HHH", data, 58)
    for row in range(table, table + size * count, size):
        if struct.unpack_from("<I", data, row + 4) == (2,):
            struct.pack_into("<I", data, row + 4, 1)
    with pytest.raises(InternalError, match="no symbol table"):
        image.flatten(bytes(data), "one")


@pytest.mark.parametrize("start", range(0, 64, 7))
def test_a_damaged_header_never_escapes_as_another_error(start: int) -> None:
    """Whatever stands in the header, the object is laid out or refused as our own fault."""
    data = plain()
    data[start : start + 7] = b"\xfe" * min(7, len(data) - start)
    try:
        code, entry = image.flatten(bytes(data), "one")
    except InternalError as error:
        code, entry = str(error).encode(), 0
    assert 0 <= entry < len(code)


def test_a_function_of_several_megabytes_apart_is_reached() -> None:
    """A 32-bit distance is enough for constants far behind the code."""
    text = (
        "@far = internal constant [3000000 x i32] zeroinitializer\n"
        "define i32 @f(i64 %k) {\n %p = getelementptr [3000000 x i32], ptr @far, i64 0, i64 %k\n"
        " %v = load volatile i32, ptr %p\n ret i32 %v\n}"
    )
    code, entry = image.flatten(codegen.assemble(text, codegen.host()), "f")
    assert (len(code) >= 12_000_000, 0 <= entry < len(code)) == (True, True)
