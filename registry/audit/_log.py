"""A log that a process under audit writes and the auditing process reads: lines in files that are mapped into memory.

Writing a line is one copy into memory that exists already. So it needs no file descriptor that the program could close or
give to a file of its own, takes no lock that a forked child or a signal handler could find held, and a full disk, a limit
on file sizes or a removed folder stops it only where the log must grow. What could not be kept is flagged in the memory
that is there.
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

# Small, so that it is there in microseconds: a signal handler that waits, and needs room too, may interrupt the making of it.
_SIZE = 1 << 19
_MAP_FIXED = 0x10
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.mmap.restype = ctypes.c_void_p


class Log:
    """Lines of one process, in files ``NAME.0.log``, ``NAME.1.log`` and so on of a folder.

    Byte 0 of a file is the error number of the last line that could not be kept, 0 when all were. Lines follow; what is
    behind the last one is zero.
    """

    def __init__(self, folder: str, name: str) -> None:
        """Make the first file.

        Raises:
            OSError: it cannot be made.
        """
        self._prefix = path.join(folder, name)
        self._numbers = itertools.count()
        self._memory = self._segment(_SIZE)

    def write(self, line: bytes) -> None:
        """Append a line, which holds no zero byte. Never raises, never waits: a line that cannot be kept is flagged."""
        memory = self._memory
        try:
            memory.write(line)  # one call that holds the interpreter: neither a thread nor a signal handler comes between
        except ValueError:
            self._write_elsewhere(line)

    def flag(self, number: int) -> None:
        """Leave word that a line could not be kept, and the error number that says why."""
        self._memory[0] = number

    def _write_elsewhere(self, line: bytes) -> None:
        """Go on in a new file. When several threads do so at once each gets its own, and the last one is used from then on."""
        try:
            memory = self._segment(max(_SIZE, len(line) + 1))
            memory.write(line)
        except OSError as error:
            self.flag(error.errno or errno.EIO)
        except ValueError:  # a limit on file sizes made the new file shorter than the line
            self.flag(errno.EFBIG)
        else:
            self._memory = memory

    def _segment(self, size: int) -> mmap.mmap:
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY:  # to go beyond it is a signal that may end the process
            size = min(size, limit)
        if size < 2:
            raise OSError(errno.EFBIG, strerror(errno.EFBIG))
        memory = _map_new_file(f"{self._prefix}.{next(self._numbers)}.log", size)
        memory.seek(1)
        return memory


def _map_new_file(file: str, size: int) -> mmap.mmap:
    """Map a new file whose space on the disk is reserved: without, a full disk would be a signal that ends the process."""
    memory = mmap.mmap(-1, size)
    descriptor = open_descriptor(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try:
        posix_fallocate(descriptor, 0, size)
        # Put in the place of memory that Python mapped: for a file, Python would keep a descriptor until the process ends.
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
    """Yield name, lines and flag of every log of a folder; a line that its process was killed in is left out."""
    segments: dict[str, list[tuple[int, Path]]] = {}
    for file in folder.glob("*.log"):
        name, number, _ = file.name.rsplit(".", 2)
        segments.setdefault(name, []).append((int(number), file))
    for name, files in segments.items():
        contents = [_content(file) for _, file in sorted(files)]
        lines = [line for content in contents for line in content[1:].split(b"\0", 1)[0].split(b"\n")[:-1]]
        yield name, lines, max(content[0] for content in contents)


def _content(file: Path) -> bytes:
    file.chmod(0o600)  # the program's umask may have taken every permission away
    return file.read_bytes() or b"\0"  # empty when its process was killed while it made the file
