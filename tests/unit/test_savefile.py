"""Files of arrays that are whole or refused."""

import errno
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gyral.actors import saveformat
from gyral.actors.disk import Disk
from gyral.actors.savefile import Saved, load, peek, save
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError, UserError

RECORD = np.dtype(
    {"names": ["a", "v"], "formats": ["<f4", ("<u2", (3,))], "offsets": [0, 4], "itemsize": 12}, align=True
)


def arrays() -> dict[str, np.ndarray]:
    """Arrays of several dtypes and shapes, one larger than a chunk."""
    rng = np.random.default_rng(3)
    records = np.zeros(7, RECORD)
    records["a"], records["v"] = np.arange(7), 5
    return {
        "large": rng.normal(size=(saveformat.CHUNK // 4 + 5,)).astype(np.float32),
        "records": records,
        "empty": np.zeros((0, 4), np.int64),
        "one": np.array(3.5),
        "flags": np.array([True, False]),
    }


def small() -> dict[str, np.ndarray]:
    """Arrays that are written and read in no time."""
    return {"words": np.arange(40, dtype=np.uint32), "x": np.linspace(0, 1, 9)}


def contents(saved: Saved) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """What arrays hold, to be compared."""
    return {name: (str(a.dtype), a.shape, a.tobytes()) for name, a in saved.arrays.items()}


class FullDisk(Disk):
    """Has room for so many bytes, then none."""

    def __init__(self, room: int) -> None:
        self.room = room

    def reserve(self, file: int, nbytes: int) -> None:
        """Nothing is reserved, so that writes are what fails."""

    def write(self, file: int, data: memoryview, at: int) -> None:
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(file, data, at)

    def free(self, folder: Path) -> int:
        return 4096


class Stops(Disk):
    """Ends as a crash would, at a step of a save."""

    def __init__(self, step: str) -> None:
        self.step = step

    def sync(self, file: int) -> None:
        self._at("sync")
        super().sync(file)

    def sync_folder(self, folder: Path) -> None:
        self._at("sync_folder")
        super().sync_folder(folder)

    def _at(self, step: str) -> None:
        if step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("compress", [None, "zlib"])
def test_gives_what_was_saved(tmp_path: Path, compress: str | None) -> None:
    """Arrays of any dtype and shape come back as they were."""
    save(tmp_path / "a", {"n": 1}, arrays(), compress)
    found = load(tmp_path / "a")
    assert contents(found) == contents(Saved({"n": 1}, arrays()))
    assert found.about == {"n": 1}


def test_zstd(tmp_path: Path) -> None:
    """Files packed by zstandard come back as they were."""
    pytest.importorskip("zstandard")
    save(tmp_path / "a", {}, arrays(), "zstd")
    assert contents(load(tmp_path / "a")) == contents(Saved({}, arrays()))


def test_zstd_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without zstandard the error names the extra that brings it."""
    monkeypatch.setitem(__import__("sys").modules, "zstandard", None)
    with pytest.raises(UnsupportedError, match=r"gyral\[checkpoint\]"):
        save(tmp_path / "a", {}, small(), "zstd")


def test_unknown_packing(tmp_path: Path) -> None:
    """A way of packing that nobody knows is refused."""
    with pytest.raises(UserError, match="compress is one of"):
        save(tmp_path / "a", {}, small(), "lzma")


def test_packing_makes_files_smaller(tmp_path: Path) -> None:
    """Numbers of one size pack well, as their bytes are sorted by place."""
    x = {"x": np.linspace(1, 2, 100_000, dtype=np.float32)}
    assert save(tmp_path / "b", {}, x, "zlib") < 0.6 * save(tmp_path / "a", {}, x)


def test_the_file_before_is_kept(tmp_path: Path) -> None:
    """The file that was there becomes the previous one."""
    path = tmp_path / "a"
    for n in range(3):
        save(path, {"n": n}, small())
    assert (peek(path), peek(tmp_path / "a.previous")) == ({"n": 2}, {"n": 1})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.previous"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_flipped_bit_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """A bit flipped anywhere in a file is noticed."""
    path = tmp_path / "a"
    size = save(path, {"n": 1}, small(), data.draw(st.sampled_from([None, "zlib"])))
    at, bit = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(path.read_bytes())
    damaged[at] ^= 1 << bit
    path.write_bytes(damaged)
    with pytest.raises((StateError, UserError), match=r"damaged|truncated|no file of Gyral"):
        load(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_truncated_file_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    """A file that lost its end, or gained one, is noticed."""
    path = tmp_path / "a"
    size = save(path, {"n": 1}, small())
    whole = path.read_bytes()
    length = data.draw(st.one_of(st.integers(0, size - 1), st.integers(size + 1, size + 10)))
    path.write_bytes(whole[:length].ljust(length, b"\0"))
    with pytest.raises((StateError, UserError), match=r"damaged|truncated|no file of Gyral"):
        load(path)


@pytest.mark.parametrize("version, advice", [(2, "or a newer one"), (0, "with the Gyral that wrote it")])
def test_other_formats_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, advice: str
) -> None:
    """A file of another format says which one, and what reads it."""
    with monkeypatch.context() as patch:
        patch.setattr(saveformat, "VERSION", version)
        save(tmp_path / "a", {}, small())
    with pytest.raises(UserError, match=rf"format {version}.*{advice}"):
        load(tmp_path / "a")


def test_foreign_and_missing_files_are_refused(tmp_path: Path) -> None:
    """A file of somebody else, and one that is not there, are told apart."""
    (tmp_path / "a").write_bytes(b"PK" * 5000)
    with pytest.raises(UserError, match="no file of Gyral"):
        load(tmp_path / "a")
    with pytest.raises(UserError, match="there is no file"):
        load(tmp_path / "b")


def test_objects_are_refused(tmp_path: Path) -> None:
    """Arrays of Python objects cannot be saved."""
    with pytest.raises(UserError, match="Python objects"):
        save(tmp_path / "a", {}, {"x": np.array([None])})


@pytest.mark.parametrize("room", [0, 4096, 9000])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, room: int) -> None:
    """When the disk is full the error says how much is missing, and the old file is as it was."""
    path = tmp_path / "a"
    save(path, {"n": 1}, small())
    with pytest.raises(DeviceError, match=r"4,096 are free; .* still holds") as caught:
        save(path, {"n": 2}, small(), disk=FullDisk(room))
    assert caught.value.kind == DeviceErrorKind.RESOURCE
    assert (peek(path), [p.name for p in tmp_path.iterdir()]) == ({"n": 1}, ["a"])


@pytest.mark.parametrize("step, kept", [("sync", 1), ("sync_folder", 2)])
def test_a_crash_leaves_a_whole_file(tmp_path: Path, step: str, kept: int) -> None:
    """Whenever a save ends too early, the name stands for a whole file."""
    path = tmp_path / "a"
    save(path, {"n": 1}, small())
    with pytest.raises(KeyboardInterrupt):
        save(path, {"n": 2}, small(), disk=Stops(step))
    assert (load(path).about, contents(load(path))) == ({"n": kept}, contents(Saved({}, small())))


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A path in a folder that does not exist is the caller's mistake."""
    with pytest.raises(UserError, match="cannot be written"):
        save(tmp_path / "none" / "a", {}, small())
