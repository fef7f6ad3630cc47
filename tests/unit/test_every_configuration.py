"""Whatever the environment and the file hold: choices, or one readable error; and off is off."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from syncfree import SelectionError
from syncfree._select import check_plugin_names, read_selection
from syncfree._selection import Selection
from syncfree._variables import GENERAL_VARIABLES
from syncfree.hooks import HOOKS

INSTALLED = ("sync_free", "acme")
VARIABLES = (*GENERAL_VARIABLES, *(hook.variable for hook in HOOKS.values()))
ANYTHING = st.text(st.characters() | st.sampled_from("\0\n\x1b\u202e\udcff[]"), max_size=30)

names = st.sampled_from([*INSTALLED, *(f"-{name}" for name in INSTALLED), *HOOKS, "upstream", "default", "-", ""]) | ANYTHING
words = st.sampled_from(["on", "off", "OFF ", "0", "1", "", " ", "perhaps"]) | st.lists(names, max_size=4).map(",".join)
variables = st.sampled_from([*VARIABLES, "syncfree", "SYNCFREE_X", "Syncfree_Plugins"]) | ANYTHING.map("SYNCFREE_".__add__)
environments = st.dictionaries(variables, words | ANYTHING, max_size=6)

scalars = st.sampled_from(["true", "false", "1", "1.5", "1979-05-27", "[]", "{}", "[[1]]", '"no"']) | names.map(repr)
lists = st.lists(scalars, max_size=3).map(lambda found: f"[{', '.join(found)}]")
keys = st.sampled_from(["enabled", "plugins", "allow_unknown", "hooks", *HOOKS, "hoks"]) | ANYTHING.map(repr)
lines = st.builds("{} = {}".format, keys, scalars | lists) | st.sampled_from(["[hooks]", "[[hooks]]", "[plugins]", "# x"])
written = st.lists(lines, max_size=6).map(lambda found: "\n".join(found).encode("utf-8", "surrogatepass"))
files = written | st.binary(max_size=60)


def outcome(environment: Mapping[str, str]) -> Selection | str:
    try:
        selection = read_selection(environment, HOOKS)
        check_plugin_names(selection, INSTALLED, dict.fromkeys(HOOKS, INSTALLED))
    except SelectionError as error:
        return str(error)
    return selection


@settings(max_examples=500)
@given(environments, st.none() | files)
def test_every_configuration_is_choices_or_one_readable_error(environment: dict[str, str], content: bytes | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        if content is not None:
            path = Path(folder, "syncfree.toml")
            path.write_bytes(content)
            environment["SYNCFREE_CONFIG"] = str(path)
        found = outcome(environment)
        switched_off = outcome({**environment, "SYNCFREE": "off"})
    if isinstance(found, str):
        assert found.startswith("syncfree: ")
        assert found.isprintable()
        assert len(found) < 20_000
    else:
        chosen = {choice.name for choice in found.hooks.values()}
        assert chosen <= {*INSTALLED, "upstream", "default"}
        assert not set(found.allowed) & found.denied or not found.enabled
    assert isinstance(switched_off, Selection)
    assert not switched_off.enabled
