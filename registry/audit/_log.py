"""A log that a process under audit writes and the auditing process reads: lines in memory-mapped files.

Writing a line is one copy into mapped memory. So it needs no file descriptor that the program could close or reuse for a
file of its own, takes no lock that a forked child or a signal handler could find held, and a full disk, a limit on file
sizes or a removed folder matters only when the log must grow. A lost line is flagged in the memory that is mapped already.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import mmap
import resource
from collections.abc import Iterator
from os import O_CLOEXEC, O_CREAT, O_EXCL, O_RDWR, close, path, posix_fallocate, strerror, unlink
from os import open as open_descriptor
from pathlib import Path

# Small, so that mapping it takes microseconds: a signal handler that needs a new segment, too, may interrupt it.
_SIZE = 1 << 19
_MAP_FIXED = 0x10
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mmap.restype = ctypes.c_void_p


class Log:
    """Lines of one process, in files ``NAME.0.log``, ``NAME.1.log`` and so on of a folder.

    Byte 0 of a file is the error number of the last lost line, 0 if no line was lost. Lines follow; the rest is zero.
    """

    def __init__(self, folder: str, name: str) -> None:
        """Make the first file.

        Raises:
            OSError: it cannot be made.
        """
        self._prefix = path.join(folder, name)
        self._numbers = itertools.count()
        self._memory = self._segment(_SIZE)

    def write(self, line: bytes) -> mmap.mmap | None:
        """Append a line without zero bytes. Never raises, never waits: a line that cannot be written is flagged.

        Returns:
            The memory that the line is in; None where it could not be written.
        """
        memory = self._memory
        try:
            memory.write(line)  # one call that holds the GIL: no thread or signal handler can interleave
        except ValueError:
            return self._write_elsewhere(line)
        return memory

    def flag(self, number: int) -> None:
        """Flag that a line was lost, with the error number of the reason."""
        self._memory[0] = number

    def _write_elsewhere(self, line: bytes) -> mmap.mmap | None:
        """Continue in a new file. Several threads that do so at once each get their own, and the last one stays in use."""
        try:
            memory = self._segment(max(_SIZE, len(line) + 1))
            memory.write(line)
        except OSError as error:
            self.flag(error.errno or errno.EIO)
        except ValueError:  # a limit on file sizes made the new file shorter than the line
            self.flag(errno.EFBIG)
        else:
            self._memory = memory
            return memory
        return None

    def _segment(self, size: int) -> mmap.mmap:
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY:  # exceeding it raises a signal that may end the process
            size = min(size, limit)
        if size < 2:
            raise OSError(errno.EFBIG, strerror(errno.EFBIG))
        memory = _map_new_file(f"{self._prefix}.{next(self._numbers)}.log", size)
        memory.seek(1)
        return memory


class Tally:
    """A number in a line of a log, which each count writes again in its place, so that a million of them is one line.

    Args:
        line: one that occurs once in the log, with ``COUNT`` where the number is to be.
    """

    COUNT = b"%20d" % 0

    def __init__(self, log: Log, line: bytes) -> None:
        self._numbers = itertools.count()
        self._memory = log.write(line)
        if self._memory is not None:
            self._begin = self._memory.find(line, 0) + line.index(self.COUNT)

    def count(self) -> None:
        """Add one. Never waits and takes no lock: whoever writes last writes the last number."""
        next(self._numbers)
        while self._memory is not None:
            number = self._last()
            self._memory[self._begin : self._begin + len(self.COUNT)] = b"%20d" % number
            if number == self._last():  # else a thread or a signal handler has counted in between, and may have written before
                return

    def _last(self) -> int:
        return int(repr(self._numbers)[len("count(") : -1])  # the only look at it that takes none, and is one call


def _map_new_file(file: str, size: int) -> mmap.mmap:
    """Map a new file with its disk space reserved: otherwise a full disk would raise a signal that ends the process."""
    memory = mmap.mmap(-1, size)
    descriptor = open_descriptor(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try:
        posix_fallocate(descriptor, 0, size)
        # Mapped over memory that Python mapped: for a file, Python would keep a descriptor open until the process exits.
        place = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        if _libc.mmap(place, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | _MAP_FIXED, descriptor, 0) != place:
            number = ctypes.get_errno()
            raise OSError(number, strerror(number))
    except BaseException:
        with contextlib.suppress(OSError):
            unlink(file)
        raise
    finally:
        with contextlib.suppress(OSError):  # another thread of the program may have closed every descriptor
            close(descriptor)
    return memory


def read(folder: Path) -> Iterator[tuple[str, list[bytes], int]]:
    """Yield name, lines and flag of every log of a folder; a last line cut off by the process's end is left out."""
    segments: dict[str, list[tuple[int, Path]]] = {}
    for file in folder.glob("*.log"):
        name, number, _ = file.name.rsplit(".", 2)
        segments.setdefault(name, []).append((int(number), file))
    for name, files in segments.items():
        contents = [_content(file) for _, file in sorted(files)]
        lines = [line for content in contents for line in content[1:].split(b"\0", 1)[0].split(b"\n")[:-1]]
        yield name, lines, max(content[0] for content in contents)


def _content(file: Path) -> bytes:
    file.chmod(0o600)  # the program's umask may have removed every permission
    return file.read_bytes() or b"\0"  # empty when the process was killed while it created the file
