"""From LLVM text to a machine code image, by way of the second level of the cache.

The text says nothing of names, comments or places, so that kernels which mean the same share one image, and
an edit that changes nothing costs no code generation and does not even load LLVM.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache

from gyral.compiler.emit.llvm.host import Host
from gyral.core import entry
from gyral.drivers.cpu import image
from gyral.drivers.cpu.identity import identity, vector_bits
from gyral.jit.key import toolchain
from gyral.jit.programs import disk

_CODEGEN = "gyral.drivers.cpu.codegen"


def image_of(text: str, symbol: str) -> tuple[bytes, int]:
    """The image of LLVM text for this machine, and the offset of `symbol` in it."""
    key = _key("image", identity(), symbol, text)
    known = disk().read(key)
    if known is not None and len(known) > 8:
        return known[8:], int.from_bytes(known[:8], "little")
    code, start = image.flatten(entry.load(f"{_CODEGEN}:assemble")(text, host()), symbol)
    disk().write(key, start.to_bytes(8, "little") + code)
    return code, start


def assembly_of(text: str) -> str:
    """The assembly of LLVM text for this machine."""
    return entry.load(f"{_CODEGEN}:assembly")(text, host())


@cache
def host() -> Host:
    """This machine, as the emitter and the code generator know it; LLVM is asked once per machine."""
    key = _key("host", identity())
    known = disk().read(key)
    if known is not None:
        triple, cpu, features = json.loads(known)
        return Host(triple, cpu, features, vector_bits())
    found = entry.load(f"{_CODEGEN}:host")()
    disk().write(key, json.dumps([found.triple, found.cpu, found.features]).encode())
    return Host(found.triple, found.cpu, found.features, vector_bits())


def _key(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in (toolchain(), *parts):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
