"""Compiles the native peers, once per source and command, into the peers' folder."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from peers.case import Missing

SOURCES = Path(__file__).parent / "native"


def peers_folder() -> Path:
    """Where install_peers.sh put the peers; GYRAL_PEERS names another place."""
    return Path(os.environ.get("GYRAL_PEERS", Path(__file__).parent.parent / ".peers"))


def tool(name: str) -> str:
    """The path of a compiler: the peers' own copy first, then the one on the search path.

    Raises:
        Missing: neither exists.
    """
    own = peers_folder() / "bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed")
    return found


def build(output: str, commands: list[list[str]], sources: list[str]) -> Path:
    """Run `commands` in turn, unless `output` was built by the same ones from the same sources.

    In a command, "{out}" stands for the finished library and "{tmp}" for a file name of its own.

    Raises:
        Missing: a command fails; the message holds what it said.
    """
    folder = peers_folder() / "built"
    folder.mkdir(parents=True, exist_ok=True)
    identity = hashlib.sha256(repr((commands, os.uname().nodename)).encode())
    for source in sources:
        identity.update((SOURCES / source).read_bytes())
    library = folder / f"{output}-{identity.hexdigest()[:16]}.so"
    if library.exists():
        return library
    partial = folder / f"{library.stem}-{os.getpid()}"
    names = {"out": f"{partial}.so", "tmp": str(partial)}
    try:
        for command in commands:
            filled = [argument.format(**names) for argument in command]
            done = subprocess.run(filled, cwd=SOURCES, capture_output=True, text=True)
            if done.returncode:
                raise Missing(f"{' '.join(filled)} failed:\n{done.stderr.strip()[:2000]}")
        Path(names["out"]).replace(library)
    finally:
        for left in folder.glob(f"{partial.name}*"):
            left.unlink()
    return library


def first_line(command: list[str]) -> str:
    """The first line a tool says about itself."""
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()[0].strip()
