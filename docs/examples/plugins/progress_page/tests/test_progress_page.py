"""The implementation keeps its contract, and the page shows the steps; ``pytest --syncfree-check progress_page`` has more checks."""

import json
import logging
import socket
from importlib.metadata import entry_points
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from progress_page import progress_reporting as module
from tqdm import tqdm

from syncfree.testing import check_implementation


@pytest.fixture
def page(monkeypatch):
    """A page of its own, at a free port."""
    monkeypatch.setenv(module.PORT_VARIABLE, "0")
    page = module.Page()
    monkeypatch.setattr(module, "PAGE", page)
    yield page
    if page._server is not None:
        page._server.shutdown()
        page._server.server_close()


def make(total=4, rank=None, **options):
    return module.progress_reporting(None, total, rank, tqdm, options)


def next_state(events):
    line = next(line for line in events if line.startswith(b"data: "))
    return json.loads(line.removeprefix(b"data: "))


def test_the_plugin_is_installed():
    assert "progress_page" in {point.name for point in entry_points(group="syncfree")}


def test_it_keeps_the_contract():
    check_implementation("progress_reporting", "progress_page")


def test_every_step_is_an_event(page):
    with make(desc="a cat") as bar, urlopen(f"{page.address}/events", timeout=20) as events:
        assert events.headers["Content-Type"] == "text/event-stream"
        (loop,) = next_state(events)
        assert (loop["name"], loop["done"], loop["total"]) == ("a cat", 0, 4)
        for done in (1, 2, 3):
            bar.update()
            assert next_state(events)[0]["done"] == done
        bar.close()
        assert next_state(events)[0]["is_over"]


def test_a_reader_that_comes_later_gets_the_newest_state(page):
    with make() as bar:
        bar.update(3)
        with urlopen(f"{page.address}/events", timeout=20) as events:
            assert next_state(events)[0]["done"] == 3


def test_a_loop_over_the_bar_is_over_at_its_end(page):
    assert list(module.progress_reporting("abc", None, 0, tqdm, {})) == ["a", "b", "c"]
    with urlopen(f"{page.address}/events", timeout=20) as events:
        (loop,) = next_state(events)
    assert (loop["done"], loop["total"], loop["is_over"]) == (3, 3, True)


@pytest.mark.parametrize("options", [{"rank": 1}, {"disable": True}], ids=["another rank", "disabled"])
def test_a_bar_that_is_not_shown_opens_no_port(page, options):
    make(**options).update()
    assert page.address is None


def test_the_newest_loops_are_kept(page):
    for _ in range(module.KEPT + 3):
        make().close()
    with urlopen(f"{page.address}/events", timeout=20) as events:
        assert [loop["number"] for loop in next_state(events)] == list(range(4, module.KEPT + 4))


def test_the_page_loads_nothing_from_another_host(page):
    make().close()
    with urlopen(page.address, timeout=20) as answer:
        text = answer.read().decode()
    assert "EventSource" in text
    assert "//" not in text


@pytest.mark.parametrize(("path", "host", "status"), [("/", "example.org:80", 403), ("/loops", "localhost:80", 404)])
def test_what_it_does_not_serve(page, path, host, status):
    make().close()
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{page.address}{path}", headers={"Host": host}), timeout=20)
    assert refused.value.code == status
    refused.value.close()


def test_a_port_in_use_is_an_error_in_the_log_and_the_bar_is_left(page, monkeypatch, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.ERROR, "progress_page"):
        monkeypatch.setenv(module.PORT_VARIABLE, str(taken.getsockname()[1]))
        for _ in range(2):
            with make() as bar:
                assert bar.update(4) in (None, True)
                assert bar.n == 4
    (record,) = caplog.records
    assert "set it to a free port, or to 0 for any" in record.getMessage()
