"""Run part of the suite as if the processor had narrower vectors: `python narrow.py 256 DF`.

Prints the rows that did not pass, as JSON. A process of its own, because kernels keep what they compiled.
"""

import json
import sys
from dataclasses import asdict, replace

from gyral.compiler.emit.llvm.host import Host
from gyral.jit import compile as compiling
from gyral.jit import machine
from gyral.testing import conformance

WIDER = ("avx512", "evex")


def narrowed(host: Host, bits: int) -> Host:
    """The host without its 512-bit registers; gangs fill `bits`."""
    features = [f for f in host.features.split(",") if not any(word in f for word in WIDER)]
    return replace(host, features=",".join(features), vector_bits=bits)


def main() -> None:
    """Patch what the compiler asks about the processor, run, report."""
    bits, groups = int(sys.argv[1]), sys.argv[2]
    narrow = narrowed(machine.host(), bits)
    machine.host = compiling.host = lambda: narrow
    rows = conformance.run("cpu", groups)
    bad = [asdict(row) for row in rows if row.outcome != "pass"]
    json.dump({"rows": len(rows), "bad": bad}, sys.stdout)


if __name__ == "__main__":
    main()
