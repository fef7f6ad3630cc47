"""Functions of NVIDIA's that answer through a pointer, where a caller would otherwise read what it had not set.

Integers and pointers are passed one after the other (System V, x86-64), so the position of the argument is all that a stand-in
has to know. Taken from the public documentation of cuSOLVER, cuFFT, cuSPARSE and cuDNN.
"""

from __future__ import annotations

import re

INT, SIZE, HANDLE = "int", "size_t", "void*"

_OUTPUTS: tuple[tuple[str, tuple[tuple[int, str], ...]], ...] = (
    # cuSOLVER: the size of a work space, in elements.
    (r"cusolverDn[SDCZ](geqrf|getrf|potrf|potri)_bufferSize", ((5, INT),)),
    (r"cusolverDn[SDCZ]gesvd_bufferSize", ((3, INT),)),
    (r"cusolverDn[SDCZ]gesvdj_bufferSize", ((12, INT),)),
    (r"cusolverDn[SDCZ]gesvdjBatched_bufferSize", ((11, INT),)),
    (r"cusolverDn[SDCZ]gesvdaStridedBatched_bufferSize", ((16, INT),)),
    (r"cusolverDn[SDCZ](or|un)gqr_bufferSize", ((7, INT),)),
    (r"cusolverDn[SDCZ](or|un)mqr_bufferSize", ((11, INT),)),
    (r"cusolverDn[SDCZ](sy|he)ev(d|j|jBatched)_bufferSize", ((7, INT),)),
    (r"cusolverDn[SDCZ]sytrf_bufferSize", ((4, INT),)),
    # ... and in bytes, on the device and on the host.
    (r"cusolverDnXgeqrf_bufferSize", ((10, SIZE), (11, SIZE))),
    (r"cusolverDnX(getrf|potrf)_bufferSize", ((8, SIZE), (9, SIZE))),
    (r"cusolverDnXsyev(d|Batched)_bufferSize", ((11, SIZE), (12, SIZE))),
    (r"cusolverDnXgeev_bufferSize", ((17, SIZE), (18, SIZE))),
    (r"cusolverDnXgesvd_bufferSize", ((18, SIZE), (19, SIZE))),
    (r"cusolverDn(Create|CreateParams|CreateGesvdjInfo|CreateSyevjInfo)", ((0, HANDLE),)),
    (r"cufft(Create|Plan\w*)", ((0, INT),)),
    (r"cufftXtMakePlanMany|cufftMakePlanMany(64)?", ((12, SIZE),)),
    (r"cusparse(Create\w*)", ((0, HANDLE),)),
    (r"cusparseSpMM_bufferSize|cusparseSDDMM_bufferSize", ((10, SIZE),)),
    (r"cusparseSp(MV|SV)_bufferSize", ((9, SIZE),)),
    (r"cudnnCreate\w*", ((0, HANDLE),)),
    (r"cudnnDropoutGetStatesSize", ((1, SIZE),)),
    # The driver's: no stream is being captured.
    (r"cuStreamGetCaptureInfo(_v3)?", ((1, INT),)),
)


def stand_in(name: str) -> str:
    """Return the C++ source of a function that succeeds and sets what a caller reads to 0."""
    outputs = next((outputs for pattern, outputs in _OUTPUTS if re.fullmatch(pattern, name)), ())
    head = 'extern "C" __attribute__((visibility("default"), weak)) long'
    if not outputs:
        return f"{head} {name}() {{ return 0; }}"
    parameters = ", ".join(f"long a{index}" for index in range(max(index for index, _ in outputs) + 1))
    body = " ".join(f"if (a{index}) *({kind}*)a{index} = 0;" for index, kind in outputs)
    return f"{head} {name}({parameters}) {{ {body} return 0; }}"
