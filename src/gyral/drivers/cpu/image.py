"""A linker for one object: from ELF to a flat image that runs wherever it is mapped.

The image holds code and read-only constants at the distances the object asked for. Nothing in it is
absolute and nothing outside it is named, so that it can be cached and mapped without any fixing up.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from gyral.core.errors import InternalError

_MACHINES = {62: "x86-64", 183: "aarch64"}
_PROGBITS, _SYMTAB, _RELA, _NOBITS = 1, 2, 4, 8
_WRITE, _ALLOC = 1, 2
_ABSOLUTE, _COMMON, _UNDEFINED = 0xFFF1, 0xFFF2, 0


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int


@dataclass(frozen=True, slots=True)
class _Symbol:
    name: str
    section: int
    value: int


def flatten(data: bytes, symbol: str) -> tuple[bytes, int]:
    """Lay out an ELF64 object's code and constants; return the image and the offset of `symbol` in it.

    Raises InternalError for undefined symbols, writable data, absolute addresses, and anything else that
    would need a loader.
    """
    machine, sections = _read_sections(data)
    places, image = _lay_out(data, sections)
    tables = [at for at, s in enumerate(sections) if s.kind == _SYMTAB]
    if len(tables) != 1:
        raise InternalError("the object has no symbol table")
    symbols = _read_symbols(data, sections, tables[0])
    patch = _X86_64 if machine == "x86-64" else _AARCH64
    for section in sections:
        if section.kind != _RELA or section.info not in places:
            continue
        for place, kind, target, addend in _relocations(data, section):
            at = places[section.info] + place
            value = _address(symbols[target], places) + addend
            if kind not in patch:
                raise InternalError(
                    f"relocation {kind} of {machine} in {section.name} is not position-independent"
                )
            patch[kind](image, at, value)
    for found in symbols:
        if found.name == symbol and found.section in places:
            return bytes(image), _address(found, places)
    raise InternalError(f"the object does not define {symbol!r}")


def _read_sections(data: bytes) -> tuple[str, list[_Section]]:
    if len(data) < 64 or data[:6] != b"\x7fELF\x02\x01":
        raise InternalError("not a little-endian ELF64 object")
    kind, machine = struct.unpack_from("<HH", data, 16)
    if kind != 1 or machine not in _MACHINES:
        raise InternalError(f"not a relocatable object of x86-64 or aarch64 (type {kind}, machine {machine})")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count, names_at = struct.unpack_from("<HHH", data, 58)
    try:
        rows = [struct.unpack_from("<IIQQQQIIQQ", data, table + size * k) for k in range(count)]
        names = rows[names_at][4]
    except (struct.error, IndexError, OverflowError) as error:  # an offset beyond memory overflows
        raise InternalError("the object's section table is cut short") from error
    return _MACHINES[machine], [
        _Section(_text(data, names + r[0]), r[1], r[2], r[4], r[5], r[6], r[7], r[8]) for r in rows
    ]


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _lay_out(data: bytes, sections: list[_Section]) -> tuple[dict[int, int], bytearray]:
    """Place the sections that are needed at run time, code first; return their offsets and the image."""
    image = bytearray()
    places: dict[int, int] = {}
    wanted = [at for at, s in enumerate(sections) if s.flags & _ALLOC and s.size and not _unwinding(s.name)]
    for at in sorted(wanted, key=lambda k: (not sections[k].name.startswith(".text"), k)):
        section = sections[at]
        # .data.rel.ro is writable only while a loader relocates it, and none will.
        if section.kind == _NOBITS or (
            section.flags & _WRITE and not section.name.startswith(".data.rel.ro")
        ):
            raise InternalError(f"a kernel cannot have writable data, and the object has {section.name}")
        image.extend(b"\0" * (-len(image) % max(1, section.alignment)))
        places[at] = len(image)
        image += data[section.offset : section.offset + section.size]
    return places, image


def _unwinding(name: str) -> bool:
    return name.startswith((".eh_frame", ".note", ".llvm", ".comment"))


def _read_symbols(data: bytes, sections: list[_Section], table: int) -> list[_Symbol]:
    section = sections[table]
    names = sections[section.link].offset
    found = []
    for at in range(section.offset, section.offset + section.size, 24):
        name, _, _, owner, value, _ = struct.unpack_from("<IBBHQQ", data, at)
        found.append(_Symbol(_text(data, names + name), owner, value))
    missing = sorted({s.name for s in found[1:] if s.section in (_UNDEFINED, _COMMON)})
    if missing:
        raise InternalError(
            f"the compiled kernel calls what nobody defines: {', '.join(missing)}; "
            "an operation was not legalised for this machine"
        )
    return found


def _relocations(data: bytes, section: _Section) -> list[tuple[int, int, int, int]]:
    """Each relocation of a section: place, kind, symbol, addend."""
    rows = struct.iter_unpack("<QQq", data[section.offset : section.offset + section.size])
    return [(place, info & 0xFFFFFFFF, info >> 32, addend) for place, info, addend in rows]


def _address(symbol: _Symbol, places: dict[int, int]) -> int:
    if symbol.section not in places:
        raise InternalError(
            f"the compiled kernel refers to {symbol.name or 'a section'!r}, which is not loaded"
        )
    return places[symbol.section] + symbol.value


def _fits(value: int, bits: int) -> int:
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise InternalError(
            f"the compiled kernel is too large: a distance of {value} bytes needs over {bits} bits"
        )
    return value & ((1 << bits) - 1)


def _pc32(image: bytearray, at: int, value: int) -> None:
    struct.pack_into("<I", image, at, _fits(value - at, 32))


def _pc64(image: bytearray, at: int, value: int) -> None:
    struct.pack_into("<q", image, at, value - at)


def _instruction(image: bytearray, at: int, clear: int, bits: int) -> None:
    (word,) = struct.unpack_from("<I", image, at)
    struct.pack_into("<I", image, at, word & ~clear | bits)


def _branch(image: bytearray, at: int, value: int) -> None:
    distance = _fits(value - at, 28) >> 2
    _instruction(image, at, 0x03FFFFFF, distance & 0x03FFFFFF)


def _page(image: bytearray, at: int, value: int) -> None:
    # The image is mapped at a page boundary, so that offsets have the pages of addresses.
    distance = _fits((value >> 12) - (at >> 12), 21)
    _instruction(image, at, 0x60FFFFE0, (distance & 3) << 29 | distance >> 2 << 5)


def _low12(shift: int) -> Callable[[bytearray, int, int], None]:
    def patch(image: bytearray, at: int, value: int) -> None:
        _instruction(image, at, 0x003FFC00, (value & 0xFFF) >> shift << 10)

    return patch


def _literal(image: bytearray, at: int, value: int) -> None:
    _instruction(image, at, 0x00FFFFE0, (_fits(value - at, 21) >> 2) << 5)


def _near(image: bytearray, at: int, value: int) -> None:
    distance = _fits(value - at, 21)
    _instruction(image, at, 0x60FFFFE0, (distance & 3) << 29 | distance >> 2 << 5)


_Patch = Callable[[bytearray, int, int], None]
# PC32, PLT32, PC64
_X86_64: dict[int, _Patch] = {2: _pc32, 4: _pc32, 24: _pc64}
# PREL64, PREL32, LD_PREL_LO19, ADR_PREL_LO21, ADR_PREL_PG_HI21(_NC), ADD_ABS_LO12_NC, LDST*_ABS_LO12_NC,
# CONDBR19, JUMP26, CALL26
_AARCH64: dict[int, _Patch] = {
    260: _pc64,
    261: _pc32,
    273: _literal,
    274: _near,
    275: _page,
    276: _page,
    277: _low12(0),
    278: _low12(0),
    280: _literal,
    282: _branch,
    283: _branch,
    284: _low12(1),
    285: _low12(2),
    286: _low12(3),
    299: _low12(4),
}
