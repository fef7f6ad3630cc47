"""The tensors of one call, in a file of the safetensors format.

The format is a little-endian 64-bit length, a JSON header of that length, and the tensors' bytes. It is written here, because
the package depends on few others; the library ``safetensors`` reads these files.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._errors import SyncfreeError

if TYPE_CHECKING:
    import torch

_LENGTH = struct.Struct("<Q")
_LONGEST_HEADER = 16 << 20
_ALIGNMENT = 8
_NAMES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
}


class RecordingError(SyncfreeError):
    """A recording cannot be made, read or replayed."""

    page = "docs/ab.md"


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one entry of a file: of a contiguous tensor, or of a storage that several tensors view."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def blob_of(tensor: torch.Tensor) -> Blob:
    """Return the bytes of a tensor, contiguous in the host's memory. Waits for the device."""
    import ctypes

    host = tensor.detach().to("cpu").contiguous()
    data = ctypes.string_at(host.data_ptr(), host.numel() * host.element_size()) if host.numel() else b""
    name = str(host.dtype).removeprefix("torch.")
    if name not in _NAMES:  # the reader gets its dtype from the JSON file
        return Blob("uint8", (len(data),), data)
    return Blob(name, tuple(host.shape), data)


def write_tensors(path: str, blobs: Mapping[str, Blob]) -> None:
    """Write a file in the safetensors format, by way of a temporary one."""
    header: dict[str, Any] = {}
    position = 0
    for name, blob in blobs.items():
        header[name] = {"dtype": _NAMES[blob.dtype], "shape": list(blob.shape), "data_offsets": [position, position + len(blob.data)]}
        position += len(blob.data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with open(f"{path}.part", "wb") as file:
        file.write(_LENGTH.pack(len(text)) + text)
        for blob in blobs.values():
            file.write(blob.data)
    os.replace(f"{path}.part", path)


def read_tensors(path: str) -> dict[str, bytearray]:
    """Return the bytes of each entry of a file in the safetensors format.

    Raises:
        RecordingError: the file cannot be read, or is not of this format.
    """
    try:
        with open(path, "rb") as file:
            content = memoryview(file.read())
        (length,) = _LENGTH.unpack(content[: _LENGTH.size])
        if length > min(_LONGEST_HEADER, len(content)):
            raise ValueError(f"its header would have {length} bytes")
        header = json.loads(bytes(content[_LENGTH.size : _LENGTH.size + length]))
        data = content[_LENGTH.size + length :]
        found = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            start, end = entry["data_offsets"]
            if not 0 <= start <= end <= len(data):
                raise ValueError(f"{name} would be at {start} to {end} of {len(data)} bytes")
            found[name] = bytearray(data[start:end])
    except OSError as error:
        raise RecordingError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise RecordingError(f"{path} is not in the safetensors format: {error}") from error
    return found
