"""Recordings: what a program sent a hook is kept, and is replayed with the same bits in another process."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree import SelectionError
from syncfree._copies import copied
from syncfree._difference import difference
from syncfree._hook import Declaration
from syncfree._instruments import Place
from syncfree._plugins import Implementation
from syncfree._select import read_selection
from syncfree.hooks import HOOKS
from syncfree.recording._decoding import Answers
from syncfree.recording._encoding import Heard, listening
from syncfree.recording._files import read_calls, write_call
from syncfree.recording._recorder import Recorder
from syncfree.recording._settings import Settings, obstacle_of
from syncfree.recording._tensors import RecordingError
from syncfree.testing import check_implementation

RECORDED = [hook for hook in HOOKS.values() if obstacle_of(hook) is None]
DIGEST = """
import sys
from syncfree.recording._files import read_calls
from tests.contract.test_recording import digest
for call in read_calls(sys.argv[1]):
    print(digest(call.arguments("cpu")), digest(call.result("cpu")))
"""


def digest(value: Any) -> str:
    """A hash of every bit of a value, of its strides, and of what shares memory."""
    found = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, torch.Tensor):
            found.update(repr((part.dtype, part.shape, part.stride(), part.device)).encode())
            found.update(bytes(part.contiguous().flatten().view(torch.uint8).tolist()))
        elif isinstance(part, dict):
            for key, item in part.items():
                add(key)
                add(item)
        elif isinstance(part, (list, tuple)):
            found.update(type(part).__name__.encode())
            for item in part:
                add(item)
        elif hasattr(part, "__dataclass_fields__"):
            for name in part.__dataclass_fields__:
                add(getattr(part, name))
        elif isinstance(part, (Heard, Answers)):
            add(part.calls)
        elif hasattr(part, "tobytes"):
            found.update(part.tobytes())
        else:
            found.update(repr(part).encode())

    add(value)
    return found.hexdigest()


def recorder(hook: Any, folder: Path, calls: int = 100) -> Any:
    """Record the calls of a hook's reference."""
    probe = Recorder(hook, Settings(calls, str(folder))).at(Place(hook, "made_up:target", print, False))
    return probe.around_implementation(hook.reference, Implementation(hook, "mine", None, Declaration(), hook.reference))


@pytest.mark.parametrize("hook", RECORDED, ids=lambda hook: hook.name)
def test_every_argument_of_a_contract_survives_recording(hook: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    @settings(max_examples=15, deadline=None, database=None)
    @given(hook.inputs())
    def survive(arguments: dict[str, Any]) -> None:
        folder = tmp_path_factory.mktemp("calls")
        before = copied(arguments)
        result = recorder(hook, folder)(**arguments)
        if result is NotImplemented:
            return
        (call,) = read_calls(str(folder))
        replayed = call.arguments("cpu")
        values = [name for name, value in before.items() if not callable(value)]
        assert values
        for name in values:
            assert difference(replayed[name], before[name], None) is None
        assert difference(call.result("cpu"), result, None) is None
        assert difference(hook.reference(**replayed), result, None) is None

    survive()


def test_another_process_replays_the_same_bits(tmp_path: Path) -> None:
    hook = HOOKS["sampler_logprob_gather"]
    expected = []
    record = recorder(hook, tmp_path)

    @settings(max_examples=10, deadline=None, database=None)
    @given(hook.inputs())
    def make(arguments: dict[str, Any]) -> None:
        kept = listening(arguments)
        before = copied(kept)
        hook.reference(**kept)
        expected.append((digest(before), digest(record(**arguments))))

    make()
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True, text=True, check=True, timeout=120,
    )
    assert [tuple(line.split()) for line in done.stdout.splitlines()] == expected


def test_a_recorded_call_checks_an_implementation(tmp_path: Path) -> None:
    record = recorder(HOOKS["pooled_rows"], tmp_path)
    record(torch.arange(12.0).view(4, 3), [3, 0])
    record(pooled=torch.randn(5, dtype=torch.bfloat16), rows=[1])
    check_implementation("pooled_rows", "sync_free", replay=tmp_path)

    def pooled_rows(pooled: Any, rows: Any) -> Any:
        return pooled[:1] if len(rows) == 1 else pooled[list(rows)]

    with pytest.raises(AssertionError, match=r"does not return what the reference returns(.|\n)*recorded call: .*-\d{6}\.json"):
        check_implementation("pooled_rows", pooled_rows, replay=tmp_path)


def test_the_shipped_implementation_of_a_hook_with_functions_is_replayed(tmp_path: Path) -> None:
    """The functions' answers are in the recording."""
    record = recorder(HOOKS["sampler_logprob_gather"], tmp_path)
    from syncfree.hooks.sampler_logprob_gather import logprobs_of_logits, ranks_of_logits

    record(torch.randn(3, 11), {0: [4, 2], 2: [1]}, torch.tensor([1, 2, 3]), logprobs_of_logits, ranks_of_logits)
    check_implementation("sampler_logprob_gather", "sync_free", replay=tmp_path)


def test_a_function_that_is_called_in_another_way_cannot_be_answered(tmp_path: Path) -> None:
    record = recorder(HOOKS["sampler_logprob_gather"], tmp_path)
    from syncfree.hooks.sampler_logprob_gather import logprobs_of_logits, ranks_of_logits

    record(torch.randn(3, 11), {0: [4, 2], 2: [1]}, torch.tensor([1, 2, 3]), logprobs_of_logits, ranks_of_logits)

    def sampler_logprob_gather(scores: Any, token_ids: Any, sampled: Any, token_logprobs: Any, token_ranks: Any) -> Any:
        return token_logprobs(scores.double(), sampled)

    with pytest.raises(RecordingError, match="the function logprobs_of_logits is called with arguments that it did not get"):
        check_implementation("sampler_logprob_gather", sampler_logprob_gather, replay=tmp_path)


def test_the_files_are_what_the_library_safetensors_reads(tmp_path: Path) -> None:
    recorder(HOOKS["pooled_rows"], tmp_path)(torch.arange(6, dtype=torch.bfloat16).view(3, 2), [1])
    (file,) = tmp_path.glob("*.safetensors")
    found = safetensors.torch.load_file(file)
    assert torch.equal(found["0"], torch.arange(6, dtype=torch.bfloat16).view(3, 2))


def test_tensors_that_share_memory_share_it_again(tmp_path: Path) -> None:
    base = torch.arange(1000.0)
    arguments = {"states": (base[100:110], base[105:125].view(4, 5).t()), "source": [0], "destination": [1]}
    write_call(str(tmp_path), HOOKS["draft_reorder"], arguments, {})
    first, second = read_calls(str(tmp_path))[0].arguments("cpu")["states"]
    first[5] = -1
    assert second[0, 0] == -1
    assert second.stride() == (1, 5)
    (file,) = tmp_path.glob("*.safetensors")
    assert file.stat().st_size < 500  # what they cover, not the whole storage


def test_only_the_asked_number_of_calls_is_recorded(tmp_path: Path) -> None:
    record = recorder(HOOKS["pooled_rows"], tmp_path, calls=2)
    for _ in range(5):
        record(torch.ones(2), [0])
    assert len(read_calls(str(tmp_path))) == 2


def changed(folder: Path, **entries: Any) -> None:
    """Change the one recorded call."""
    (file,) = folder.glob("*.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **entries}))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"version": 2}, "has version 2 of the format, and this syncfree reads 1"),
        ({"hook": "pooled_row"}, "unknown hook 'pooled_row'; did you mean 'pooled_rows'"),
        ({"tensors": "../../etc/passwd"}, "is damaged: it names no file of tensors"),
        ({"arguments": {"pooled": {"pickle": "x"}, "rows": 1}}, "a value of the unknown kind 'pickle'"),
        ({"arguments": {"pooled": {"record": "os:system", "fields": {}}}}, "names 'os:system', which is not of a hook's contract"),
        ({"arguments": {"pooled": {"tensor": "7", "device": "cpu", "pinned": False}}}, "cannot be replayed: it has no '7'"),
        ({"format": "x"}, "is not a recorded call"),
    ],
)
def test_a_damaged_recording_is_an_error_that_names_the_file(tmp_path: Path, entries: dict[str, Any], message: str) -> None:
    recorder(HOOKS["pooled_rows"], tmp_path)(torch.ones(2), [0])
    changed(tmp_path, **entries)
    with pytest.raises(RecordingError) as caught:
        check_implementation("pooled_rows", "sync_free", replay=tmp_path)
    assert message in str(caught.value)


@given(st.binary(max_size=200))
@settings(max_examples=50, deadline=None, database=None)
def test_no_bytes_in_place_of_the_tensors_do_more_than_raise_our_error(content: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        folder = Path(name)
        recorder(HOOKS["pooled_rows"], folder)(torch.ones(2), [0])
        (file,) = folder.glob("*.safetensors")
        file.write_bytes(content)
        with pytest.raises(RecordingError):
            read_calls(name)[0].arguments("cpu")


def test_a_folder_without_calls_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="has no recorded call of pooled_rows; make some with: syncfree record"):
        check_implementation("pooled_rows", "sync_free", replay=tmp_path)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SYNCFREE_RECORD": "pooled_row=3"}, "SYNCFREE_RECORD: unknown hook 'pooled_row'; did you mean 'pooled_rows'"),
        ({"SYNCFREE_RECORD": "pooled_rows=none"}, "pooled_rows has 'none' calls, which is not a number"),
        ({"SYNCFREE_RECORD": "pooled_rows=3"}, "SYNCFREE_RECORD needs SYNCFREE_RECORD_TO"),
        ({"SYNCFREE_RECORD": "dp_all_reduce=3"}, "dp_all_reduce cannot be recorded: its arguments contain a process group"),
        ({"SYNCFREE_RECORD": "vae_decode=3"}, "vae_decode cannot be recorded: it calls decode_chunk"),
    ],
)
def test_a_mistake_in_the_variables_is_an_error_at_load(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SelectionError) as caught:
        read_selection(variables, HOOKS)
    assert message in str(caught.value)
