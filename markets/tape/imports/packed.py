"""Files of a recording whichever way they were packed: plain, gzip or zstd. What a file is says its first bytes, not its name."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import zstandard

SUFFIXES: Final = ("", ".gz", ".zst")
BREAKS_OFF: Final = (EOFError, OSError, zlib.error, zstandard.ZstdError)
"""What reading a packed file may raise where it is damaged."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 2**18


def unpacked_name(name: str) -> str:
    """A file's name without what says how it is packed."""
    return next((name.removesuffix(suffix) for suffix in SUFFIXES[1:] if name.endswith(suffix)), name)


def files(root: Path, *patterns: str) -> list[Path]:
    """The files below ``root`` whose names without packing match a pattern, by name; of one that is there in two packings the first."""
    found: dict[str, Path] = {}
    for pattern in patterns:
        for suffix in SUFFIXES:
            for path in root.glob(pattern + suffix):
                if path.is_file():
                    found.setdefault(unpacked_name(str(path)), path)
    return sorted(found.values())


def one_file(path: Path) -> Path | None:
    """The file of this name without packing, in whichever packing it is there; None where it is not."""
    return next((one for suffix in SUFFIXES if (one := path.with_name(path.name + suffix)).is_file()), None)


def opened(path: Path) -> io.BufferedIOBase:
    """The file's bytes as they were before they were packed. Reading raises one of ``BREAKS_OFF`` where it is damaged or cut off."""
    with path.open("rb") as file:
        head = file.read(len(_ZSTD))
    if head.startswith(_GZIP):
        return gzip.open(path, "rb")
    if head == _ZSTD:
        return io.BufferedReader(_Unpacked(path), _CHUNK)
    return path.open("rb")


class _Unpacked(io.RawIOBase):
    """The frames of a zstd file, one after the other. The library's own reader takes a file that is cut off for one that ends."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._chunks = self._unpacked()
        self._left = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io's stub has a protocol that no class can name
        """See io.RawIOBase."""
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        count = min(len(buffer), len(self._left))
        buffer[:count], self._left = self._left[:count], self._left[count:]
        return count

    def close(self) -> None:
        """See io.RawIOBase."""
        self._file.close()
        super().close()

    def _unpacked(self) -> Iterator[bytes]:
        frame = None
        for packed in self._packed():
            rest = packed
            while rest:
                frame = frame or zstandard.ZstdDecompressor().decompressobj()
                yield frame.decompress(rest)
                rest, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        if frame is not None:
            raise EOFError("zstd frame without its end")

    def _packed(self) -> Iterable[bytes]:
        while chunk := self._file.read(_CHUNK):
            yield chunk
