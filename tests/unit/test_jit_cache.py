"""Compiled kernels on disk."""

import os
import threading
from pathlib import Path

import pytest

from gyral.core.artifact import ArrayParameter, Artifact, CompileOptions, ScalarParameter, Signature, Site
from gyral.core.dtypes import StructType, Vec, bool_, f32, i64
from gyral.core.events import CacheTrouble, Event, listening
from gyral.core.span import Span
from gyral.jit.cache import DiskCache
from gyral.jit.codec import decode, encode

KEY = "ab" + "0" * 62


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(str(tmp_path / "cache"), 10_000)


def test_what_was_written_is_read(cache: DiskCache) -> None:
    """Bytes come back under their key, in another object for the same folder too."""
    assert cache.write(KEY, b"payload")
    assert cache.read(KEY) == b"payload"
    assert DiskCache(cache.folder, 10_000).read(KEY) == b"payload"


def test_an_unknown_key_is_a_miss(cache: DiskCache) -> None:
    """Nothing is there before it is written, and nothing after it is dropped."""
    assert cache.read(KEY) is None
    cache.write(KEY, b"payload")
    cache.drop(KEY)
    assert cache.read(KEY) is None


@pytest.mark.parametrize("at", [0, 5, 20, 40, 52, -1])
def test_a_flipped_bit_is_a_miss(cache: DiskCache, at: int) -> None:
    """A damaged file is not served but removed, and told."""
    cache.write(KEY, b"payload")
    path = Path(cache.path(KEY))
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    events: list[Event] = []
    with listening(events.append):
        assert cache.read(KEY) is None
    assert events == [CacheTrouble(str(path), "is damaged and was removed")]
    assert not path.exists()


@pytest.mark.parametrize("keep", [0, 1, 30, 50])
def test_a_cut_file_is_a_miss(cache: DiskCache, keep: int) -> None:
    """A file that lost its end is not served."""
    cache.write(KEY, b"payload")
    path = Path(cache.path(KEY))
    path.write_bytes(path.read_bytes()[:keep])
    assert cache.read(KEY) is None


def test_a_file_under_another_name_is_a_miss(cache: DiskCache) -> None:
    """A file moved to another key's place is foreign there."""
    other = "cd" + "1" * 62
    cache.write(KEY, b"payload")
    cache.write(other, b"something else")
    os.replace(cache.path(KEY), cache.path(other))
    assert cache.read(other) is None


def test_no_folder_means_no_cache() -> None:
    """An empty folder name keeps nothing and complains about nothing."""
    cache = DiskCache("", 10_000)
    assert not cache.write(KEY, b"payload")
    assert cache.read(KEY) is None
    assert cache.size() == 0


def test_an_unwritable_folder_warns_once(tmp_path: Path) -> None:
    """Where the folder cannot be made, one warning is given and everything goes on."""
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    cache = DiskCache(str(blocker / "cache"), 10_000)
    with pytest.warns(RuntimeWarning, match="cannot be written"):
        assert not cache.write(KEY, b"payload")
    assert not cache.write(KEY, b"payload")  # a second warning would be an error here


def test_a_full_disk_leaves_nothing_behind(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half way removes what it began."""
    cache.write("ff" + "2" * 62, b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(RuntimeWarning, match="No space left"):
        assert not cache.write(KEY, b"payload")
    assert [p.name for p in Path(cache.folder).rglob(".new-*")] == []
    assert cache.read("ff" + "2" * 62) == b"before"


def test_the_oldest_go_first(tmp_path: Path) -> None:
    """Above the limit, what was not used for longest is removed."""
    cache = DiskCache(str(tmp_path), 1000)
    keys = [f"{k:02x}" + "0" * 62 for k in range(10)]
    for age, key in enumerate(keys[:6]):
        cache.write(key, bytes(100))
        os.utime(cache.path(key), (1000 + age, 1000 + age))
    cache.read(keys[0])  # used now, so that it stays
    cache.write(keys[6], bytes(100))
    kept = [k for k, key in enumerate(keys) if cache.read(key) is not None]
    assert cache.size() <= 1000
    assert 0 in kept
    assert 6 in kept
    assert 1 not in kept


def test_a_write_does_not_look_at_every_file(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a folder has its tally, writing reads no directory, in another object for the folder neither."""
    cache.write(KEY, b"payload")

    def refuse(*path: object) -> None:
        raise AssertionError("a directory was read")

    monkeypatch.setattr(os, "scandir", refuse)
    assert DiskCache(cache.folder, 10_000).write("cd" + "1" * 62, b"more")


@pytest.mark.parametrize("tally", [None, b"", b"\xff", b"\xff" * 8, bytes(8 * 5000)])
def test_a_tally_that_cannot_be_trusted_is_made_anew(tmp_path: Path, tally: bytes | None) -> None:
    """Whatever stands in the tally, the limit holds and the next tally tells the truth."""
    cache = DiskCache(str(tmp_path), 1000)
    for k in range(6):
        cache.write(f"{k:02x}" + "0" * 62, bytes(100))
    path = tmp_path / "tally"
    path.unlink()
    if tally is not None:
        path.write_bytes(tally)
    for k in range(6, 12):
        cache.write(f"{k:02x}" + "0" * 62, bytes(100))
    assert 0 < cache.size() <= 1000
    assert cache.size() <= sum(
        int.from_bytes(path.read_bytes()[at : at + 8], "little") for at in range(0, path.stat().st_size, 8)
    )


def test_a_tally_that_grew_long_is_shortened(cache: DiskCache) -> None:
    """The tally itself is bounded: past 4096 numbers it begins anew with one."""
    cache.write(KEY, b"payload")
    path = Path(cache.folder) / "tally"
    path.write_bytes(bytes(8 * 4096))
    cache.write(KEY, b"payload")
    assert path.stat().st_size == 8


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    """An entry above the whole limit would only empty the cache."""
    assert not DiskCache(str(tmp_path), 10).write(KEY, bytes(11))


def test_clearing_removes_everything(cache: DiskCache) -> None:
    """After clear() the cache is empty."""
    cache.write(KEY, b"payload")
    cache.clear()
    assert cache.size() == 0


def test_writers_do_not_disturb_readers(cache: DiskCache) -> None:
    """A reader sees a whole entry or none while many threads write the same key."""
    seen: set[bytes | None] = set()
    payload = bytes(5000)

    def work() -> None:
        for _ in range(30):
            cache.write(KEY, payload)
            seen.add(cache.read(KEY))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {payload}


def test_what_a_dead_writer_left_is_swept(cache: DiskCache) -> None:
    """A half-written file goes once it is old; a fresh one may still be in use."""
    cache.write(KEY, b"payload")
    folder = Path(cache.path(KEY)).parent
    old, fresh = folder / ".new-1-a", folder / ".new-2-b"
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (1000, 1000))
    cache.clear()
    assert [p.name for p in folder.iterdir()] == [fresh.name]


def test_artifacts_survive_the_disk() -> None:
    """Every field of an artifact comes back as it was."""
    struct = StructType("P", (("a", f32), ("b", StructType("Q", (("c", Vec(f32, 3)),)))))
    signature = Signature(
        name="k",
        rank=2,
        parameters=(
            ArrayParameter("x", struct, 2, True, False),
            ArrayParameter("y", Vec(i64, 2), 1, False, True),
            ScalarParameter("s", bool_),
        ),
        options=CompileOptions(64, "on", True, (True, False), (8, 8), True, (2, 4)),
        item=(1, 8, 32),
        scratch_bytes=4096,
        cost_ns=12.5,
        sites=(Site("print", Span("f.py", 1, 2, 3, 4), "", 0, ("a ", ".3f", "\n"), (f32,)),),
    )
    artifact = Artifact("cpu-image", bytes(range(256)), 64, signature, {"made": "here"})
    assert decode(encode(artifact)) == artifact


@pytest.mark.parametrize(
    "data", [b"", b"\x05\0\0\0", b"\x02\0\0\0{}", b"\x02\0\0\0[]", b"\xff\xff\xff\xff{}"]
)
def test_bytes_that_are_no_artifact_are_an_error(data: bytes) -> None:
    """Foreign bytes raise one of the errors that the caller expects."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        decode(data)
