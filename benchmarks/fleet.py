"""Worker processes and how the coordinator talks to them."""

import json
import os
import selectors
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from peers.build import peers_folder

HERE = Path(__file__).parent
# Each peer reads its thread count from the environment, when it is imported.
THREAD_VARIABLES = (
    "GYRAL_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POCL_MAX_PTHREAD_COUNT",
    "POCL_CPU_MAX_CU_COUNT",
)
START_SECONDS, OPEN_SECONDS, BATCH_SECONDS = 120.0, 300.0, 120.0


class Lost(Exception):
    """A worker died or did not answer in time; it is gone."""


def cores(threads: int) -> set[int]:
    """The processors a worker of `threads` threads is bound to: the last ones this process may use."""
    return set(sorted(os.sched_getaffinity(0))[-threads:])


def interpreter(peer: str) -> str:
    """The peers' own Python for the peers, this one for Gyral."""
    own = peers_folder() / "venv" / "bin" / "python"
    return str(own) if own.exists() and peer.partition(":")[0] != "gyral" else sys.executable


def source_path() -> str:
    """PYTHONPATH with this checkout's Gyral first."""
    return os.pathsep.join([str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])


def environment(peer: str, threads: int) -> dict[str, str]:
    """This process's environment with every peer's thread count set."""
    settings = dict.fromkeys(THREAD_VARIABLES, str(threads))
    if peer.partition(":")[0] == "gyral":
        settings["PYTHONPATH"] = source_path()
    settings |= {"JAX_PLATFORMS": "cpu", "PYOPENCL_NO_CACHE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    if threads == 1:
        settings["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    return os.environ | settings


@dataclass(slots=True)
class Member:
    """One worker: a peer at a thread count. `missing` says why it cannot take part."""

    peer: str
    threads: int
    process: subprocess.Popen[str]
    log: IO[str]
    version: str = ""
    missing: str = ""

    @classmethod
    def start(cls, peer: str, threads: int, logs: Path) -> "Member":
        """Start the process; `greet` waits until it is ready."""
        logs.mkdir(parents=True, exist_ok=True)
        log = open(logs / f"{peer.replace(':', '-')}-{threads}.log", "w")
        process = subprocess.Popen(
            [interpreter(peer), str(HERE / "worker.py"), peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,  # Ctrl-C is the coordinator's; a worker ends when its pipe does
            env=environment(peer, threads),
            preexec_fn=lambda: os.sched_setaffinity(0, cores(threads)),
        )
        return cls(peer, threads, process, log)

    def greet(self) -> None:
        """Wait for the worker's first line."""
        try:
            hello = self._reply(START_SECONDS)
        except Lost as fault:
            self.missing = str(fault)
            return
        self.version, self.missing = hello.get("version", ""), hello.get("missing", "")

    def ask(self, seconds: float, **request: Any) -> dict[str, Any]:
        """Send a request and wait up to `seconds` for the answer.

        Raises:
            Lost: there was none, or it is a fault; the worker is ended, and every later request fails alike.
        """
        if self.missing:
            raise Lost(self.missing)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except OSError as fault:
            raise self._lose("has ended") from fault
        reply = self._reply(seconds)
        if "fault" in reply:
            raise self._lose(f"failed: {reply['fault']}")
        return reply

    def end(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # the pipe's other end is gone already
                    continue

    def _lose(self, why: str) -> Lost:
        self.end()
        self.missing = f"{self.peer} at {self.threads} {why} (see {self.log.name})"
        return Lost(self.missing)

    def _reply(self, seconds: float) -> dict[str, Any]:
        stdout = self.process.stdout
        assert stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(seconds):
                raise self._lose(f"did not answer for {seconds:.0f} s")
        line = stdout.readline()
        if not line:
            raise self._lose(f"ended with status {self.process.wait()}")
        return json.loads(line)
