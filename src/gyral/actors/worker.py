"""The process in which the loop of a system runs apart: `python worker.py <native module> <socket>`.

It is told over the socket what to run, in memory that it shares with the system's process, and ends when
that closes its end, as it does when it dies. It starts in hundredths of a second because it imports next to
nothing of the standard library and, of the package, the native module alone.
"""

import ctypes
import importlib.machinery
import importlib.util
import json
import mmap
import os
import signal
import socket
import struct
import sys
from typing import Any

HEADER = struct.Struct("<Q")
MOST = 4096


class Server:
    """Runs one loop at a time."""

    def __init__(self, native: Any, ends: socket.socket) -> None:
        self._native, self._ends = native, ends
        self._mail: Any = None

    def serve(self) -> None:
        """Do what is asked for, until nobody is there to ask."""
        while True:
            said, fds, _, _ = socket.recv_fds(self._ends, MOST, 2)
            if not said:
                os._exit(0)  # running handlers are not waited for
            try:
                answer = self._start(*fds) if said == b"start" else self._stop(float(said))
            except Exception as error:  # noqa: BLE001  whoever asked raises it
                answer = f"{type(error).__name__}: {error}"
            self._ends.send(answer.encode()[:MOST])

    def _start(self, memory: int, plan: int) -> str:
        with open(plan, "rb") as file:
            (size,) = HEADER.unpack(file.read(HEADER.size))
            told: dict[str, Any] = json.loads(file.read(size))
            image = file.read()
        pages = mmap.mmap(memory, 0)
        os.close(memory)
        base = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        slots: list[int] = []
        for offset, *rest in told["arrays"]:
            slots += (base + offset, *rest)
        slots += told["bits"]
        count, block = told["workers"], told["block"]
        record = 0 if told["record"] is None else base + told["record"]
        frame = struct.pack("<9q", 1, 1, count * block, 1, 1, block, 1, 1, count)
        frame += struct.pack(f"<{1 + len(slots)}Q", record, *slots)
        code = self._native.load(image, told["entry"])
        self._mail = self._native.Mail(memoryview(pages)[: told["arena"]], shared=True)
        kept = (pages, code)
        self._mail.start(
            [(code, frame, told["scratch"])] * count,
            kept,
            stall=told["stall"],
            hang_after=told["hang_after"],
        )
        return "running"

    def _stop(self, seconds: float) -> str:
        ended = self._mail is None or self._mail.stop(seconds)
        if ended:
            self._mail = None
        return "ended" if ended else "given up"


def main(native: str, ends: int) -> None:
    """Serve the process at the other end of a socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever is interrupted at a terminal says what to do
    loader = importlib.machinery.ExtensionFileLoader("gyral._native", native)
    spec = importlib.util.spec_from_file_location("gyral._native", native, loader=loader)
    if spec is None:
        raise ImportError(f"{native} is no native module")
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    Server(module, socket.socket(fileno=ends)).serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
