"""The reader of pages that are executed, and the terminal that their commands run in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from docs.terminal import shown
from docs.walkthrough import Command, File, agrees, steps

PAGE = '''
```python title="a/b.py"
print("$ no command")
```

```console
$ python a/b.py
$ no command
$ false
```

```bash
not run
```
'''


def test_a_page_has_its_files_and_commands_in_order() -> None:
    assert steps(PAGE) == [
        File("a/b.py", 'print("$ no command")\n'),
        Command("python a/b.py", ""),
        Command("no command", ""),
        Command("false", ""),
    ]


@pytest.mark.parametrize("expected", ["one\ntwo 2\nthree", "one\n...\nthree", "...", "one\ntwo ...\nthree", "one\n...\ntwo 2\nthree"])
def test_dots_stand_for_any_text(expected: str) -> None:
    assert agrees("one  \ntwo 2\nthree\n", expected)


@pytest.mark.parametrize("expected", ["", "one", "one\n...three", "two 2\nthree", "one\n...\ntwo\nthree", "one\ntwo 2\nthree\n...\nfour"])
def test_other_text_does_not_agree(expected: str) -> None:
    assert not agrees("one  \ntwo 2\nthree\n", expected)


def test_a_command_sees_a_terminal_of_eighty_columns(tmp_path: Path) -> None:
    command = "python3 -c 'import os, sys; print(os.get_terminal_size().columns, sys.stdout.isatty())'; echo wrong >&2"
    assert shown(command, tmp_path, os.environ) == "80 True\nwrong\n"


def test_a_command_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError, match="it printed:\nbefore"):
        shown("echo before; exec sleep 1000", tmp_path, os.environ, seconds=0.5)
