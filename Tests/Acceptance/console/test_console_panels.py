"""Dashboards with more push queries than a browser has connections: all of them move, over one WebSocket."""

import json

import pytest
from console import Platform, wait_until
from console_checks import check, check_quiet
from console_fixtures import browser  # noqa: F401

COUNT = 10


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("panels")).start()
    console = platform.console
    console.send("PUT", "/api/connect/connectors/made-ratings/config", {
        "connector.class": "DatagenConnector", "kafka.topic": "ratings", "quickstart": "ratings", "max.interval": "60",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
    })  # fmt: skip
    wait_until(lambda: console.ask("GET", "/api/topics/ratings").status == 200, 60, "the topic")
    console.ksql(
        "CREATE STREAM RATINGS (RATING_ID BIGINT, USER_ID BIGINT, STARS INT, CHANNEL VARCHAR) "
        "WITH (KAFKA_TOPIC='ratings', VALUE_FORMAT='JSON');"
        "CREATE TABLE BY_STARS AS SELECT STARS, COUNT(*) AS N FROM RATINGS GROUP BY STARS EMIT CHANGES;"
    )
    panels = [
        {"title": f"Panel {number}", "sql": f"SELECT CHANNEL, COUNT(*) + {number} AS N FROM RATINGS GROUP BY CHANNEL EMIT CHANGES;",
         "kind": ("bar", "line", "area", "number", "table")[number % 5], "x": "CHANNEL", "y": ["N"], "series": "", "width": 1}
        for number in range(COUNT)
    ]  # fmt: skip
    panels.append({"title": "A table's rows", "sql": "SELECT STARS, N FROM BY_STARS;", "kind": "table", "x": "", "y": [], "series": "", "width": 1})
    console.send("PUT", "/api/dashboards/many", {"id": "many", "title": "Many", "panels": panels})
    yield platform
    platform.stop()


def push_queries(platform):
    queries = platform.console.ksql("SHOW QUERIES;")[0]["queries"]
    return [query for query in queries if query["queryType"] == "PUSH"]


# What each panel shows: charts by their shapes, tables and numbers by their texts.
SHOWN = """[...document.querySelectorAll('.panel .body')].map((b) =>
  [...b.querySelectorAll('.bar, .line, .area')].map((e) => e.getAttribute('d') || e.getAttribute('height')).join() + b.innerText)"""


def moves(page, count):
    """Waits until every panel has changed."""
    page.until(f"document.querySelectorAll('.panel .body').length >= {count}", 60, "the panels")
    before = page.js(SHOWN)
    page.until(
        f"(() => {{ const before = {json.dumps(before)}; const now = {SHOWN}; return now.every((text, at) => text !== before[at]); }})()",
        60, "panels that all move",
    )  # fmt: skip


@pytest.mark.deadline(240)
@pytest.mark.parametrize("kind", ["own", "foreign"])
def test_ten_push_panels_move_in_one_tab(platform, browser, kind, tmp_path):
    other = Platform(tmp_path / "other", of=platform).start() if kind == "foreign" else None
    page = browser.page(f"http://127.0.0.1:{(other or platform).console_port}", height=2400)
    sockets = []
    hear = page.event

    def event(method, params):
        if method == "Network.webSocketCreated":
            sockets.append(params["url"])
        hear(method, params)

    browser.handlers[page.session] = event
    try:
        page.open("/dashboards/many", "Many")
        moves(page, COUNT + 1)
        moves(page, COUNT + 1)
        wait_until(lambda: len(push_queries(platform)) == COUNT, 30, "ten push queries")
        assert sockets == [page.base.replace("http", "ws") + "/api/query"]
        assert not [url for url in page.requests if "query-stream" in url]
        check(page)
        check_quiet(page)
        # The rest of the console answers meanwhile, and a page that is left ends its queries.
        page.go("/topics")
        page.loaded("Topics")
        wait_until(lambda: not push_queries(platform), 30, "the queries' end")
        if other:
            page.go("/dashboards/many")
            page.loaded("Many")
            moves(page, COUNT + 1)
            other.stop()
            page.until("!!document.querySelector('.panel .note.error')", 60, "panels that say what is wrong")
            other.start()
            page.until("!document.querySelector('.panel .note.error')", 90, "panels that are well again")
            moves(page, COUNT + 1)
    finally:
        page.close()
        if other:
            other.stop()
    wait_until(lambda: not push_queries(platform), 30, "the queries' end")


@pytest.mark.deadline(120)
def test_without_a_socket_queries_have_requests_of_their_own(platform, browser):
    """Behind something that lets no WebSocket through the pages do what they can: four push queries at a time."""
    page = browser.page(f"http://127.0.0.1:{platform.console_port}", height=2400)
    page.call("Page.addScriptToEvaluateOnNewDocument", source="""
        window.WebSocket = class extends EventTarget { constructor() { super(); setTimeout(() => this.dispatchEvent(new CloseEvent('close', { code: 1006 }))); } close() {} };
        window.WebSocket.OPEN = 1;""")  # fmt: skip
    try:
        page.open("/dashboards/many", "Many")
        wait_until(lambda: len(push_queries(platform)) == 4, 60, "four push queries")
        page.until("document.querySelectorAll('.panel .bar').length > 0", 60, "bars")
        page.go("/topics")
        page.loaded("Topics")
        check_quiet(page)
    finally:
        page.close()


# Of the first panel: what is left below its chart, whether the legend is below the plot, and the height of the plot as laid out
# and as drawn.
HEIGHTS = """(() => {
  const panel = document.querySelector('.panel');
  const plot = panel.querySelector('svg.plot');
  const [whole, drawing, foot] = [panel, plot, panel.querySelector('.chart-foot')].map((element) => element.getBoundingClientRect());
  return { left: whole.bottom - foot.bottom, isBelow: foot.top >= drawing.bottom, height: drawing.height,
    drawn: Number(plot.getAttribute('viewBox').split(' ')[3]) };
})()"""


@pytest.mark.parametrize("width, is_filled", [(1280, True), (400, False)])
def test_a_chart_is_as_high_as_the_panel_beside_it(platform, browser, width, is_filled):
    """Beside a table of many rows a chart has the table's height; alone, as on narrow screens, one of its own."""
    panels = [
        {"title": "Chart", "sql": "SELECT STARS, N FROM BY_STARS;", "kind": "bar", "x": "STARS", "y": ["N"], "series": "", "width": 1},
        {"title": "Rows", "sql": "SELECT * FROM RATINGS EMIT CHANGES;", "kind": "table", "x": "", "y": [], "series": "", "width": 1},
    ]  # fmt: skip
    platform.console.send("PUT", "/api/dashboards/high", {"id": "high", "title": "High", "panels": panels})
    page = browser.page(f"http://127.0.0.1:{platform.console_port}", width=width, height=1200)
    try:
        page.open("/dashboards/high", "High")
        page.until("document.querySelectorAll('.panel tbody tr').length > 12 && !!document.querySelector('.panel .bar')", 60, "rows and bars")
        height = "height > 260" if is_filled else "height === 220"
        page.until(f"(({{ left, isBelow, height, drawn }}) => left >= 0 && left < 30 && isBelow && {height} && height === drawn)({HEIGHTS})", 30, "the chart's height")
        check(page)
    finally:
        page.close()
