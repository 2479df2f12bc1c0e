"""What machine this is, for the record beside each measurement."""

import os
import platform
import re
import time
from pathlib import Path
from typing import Any

CPU = Path("/sys/devices/system/cpu/cpu0")


def model() -> str:
    """The processor's name, as it tells it."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", text.partition("\n\n")[0], re.MULTILINE))
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields and "model" in fields:
        return f"{name} (family {fields['cpu family']}, model {fields['model']})"
    return name


def vectors() -> list[str]:
    """The vector extensions this processor has, of those that decide a gang's width."""
    known = ("sse4_2", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "asimd", "sve")
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return []
    return [flag for flag in known if flag in flags]


def caches() -> list[str]:
    """The first core's caches, nearest first, such as "L1 Data 48K"."""
    found = []
    for index in sorted(CPU.glob("cache/index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        found.append(f"L{level} {kind} {size}")
    return found


def describe() -> dict[str, Any]:
    """Processor, cores, caches, memory, system, Python."""
    return {
        "cpu": model(),
        "vectors": vectors(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def slug() -> str:
    """The machine in a file name: "amd-epyc-2-cores"."""
    name = re.sub(r"\(.*?\)|@.*|\b(processor|cpu)\b", "", model(), flags=re.IGNORECASE).lower()
    return f"{re.sub(r'[^a-z0-9]+', '-', name).strip('-')}-{os.cpu_count()}-cores"


def busy_seconds() -> float:
    """Processor time the whole machine has spent, where the system tells; else 0."""
    try:
        line = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, line.split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(limit: float, share: float = 0.1) -> bool:
    """Wait, up to `limit` seconds, until the machine uses less than `share` of one core."""
    end = time.monotonic() + limit
    while True:
        before, start = busy_seconds(), time.monotonic()
        time.sleep(0.1)
        if busy_seconds() - before < share * (time.monotonic() - start):
            return True
        if time.monotonic() > end:
            return False
