"""What people have typed is not lost: to another tab, to a slip of the mouse, to a look at another page."""

import json

import pytest
from console_fixtures import browser, name, page  # noqa: F401
from console_fixtures import empty_platform as platform  # noqa: F401

TITLES = "[...document.querySelectorAll('main .panel h2')].map((h) => h.textContent).join()"


def add_panel(page, title):
    page.press("Add a panel")
    page.fill("Title", title)
    page.fill("Query of the panel", "SELECT 1 AS N FROM NOT_THERE EMIT CHANGES;")
    page.press("Save")


def front(page):
    """The tab that the user looks at: the others get no keys and do not draw."""
    page.call("Page.bringToFront")
    return page


def test_two_tabs_change_one_dashboard(page, browser, platform, name):
    board = {"id": name, "title": name, "panels": []}
    platform.console.send("PUT", f"/api/dashboards/{name}", board)
    other = browser.page(page.base)
    other.open(f"/dashboards/{name}", name)
    page.open(f"/dashboards/{name}", name)
    add_panel(front(page), "first")
    page.until(f"{TITLES} === 'first'")
    add_panel(front(other), "second")
    other.until(f"{TITLES} === 'first,second'", what="the panels of both")
    # Both change the same one: the second is asked.
    for tab in (page, other):
        front(tab).open(f"/dashboards/{name}?edit=1", name)
        tab.until("!!document.querySelector('[aria-label=\"Edit first\"]')")
        tab.click('[aria-label="Edit first"]')
    front(page).fill("Title", "mine")
    page.press("Save")
    page.until(f"{TITLES} === 'mine,second'")
    front(other).fill("Title", "theirs")
    other.press("Save")
    other.sees("was changed meanwhile")
    other.press("Save")
    other.until(f"{TITLES} === 'theirs,second'")
    page.noisy = True  # refusals were meant
    other.close()


def test_a_form_is_not_lost_to_a_slip(page, platform, name):
    platform.console.send("PUT", f"/api/dashboards/{name}", {"id": name, "title": name, "panels": []})
    page.open(f"/dashboards/{name}", name)
    page.press("Add a panel")
    page.fill("Title", "half written")
    box = page.js(
        "(() => { const r = document.querySelector('dialog input').getBoundingClientRect(); return [r.x + 20, r.y + r.height / 2]; })()"
    )

    def mouse(kind, x, y):
        page.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    # A selection that ends outside.
    mouse("mousePressed", *box)
    mouse("mouseMoved", 5, 5)
    mouse("mouseReleased", 5, 5)
    assert page.js("document.querySelector('dialog input').value") == "half written"
    # A click beside it, and Escape, ask.
    page.click_at(5, 5)
    page.sees("Discard what you wrote?")
    page.press("Cancel")
    page.until("document.querySelectorAll('dialog').length === 1")
    page.key("Escape")
    page.sees("Discard what you wrote?")
    page.press("Discard")
    page.until("!document.querySelector('dialog')")
    # Where nothing was written nobody is asked.
    page.press("Add a panel")
    page.until("!!document.querySelector('dialog')")
    page.key("Escape")
    page.until("!document.querySelector('dialog')")


def test_a_record_that_is_half_written_stays(page, platform, name):
    platform.console.send("POST", "/api/topics", {"name": name, "partitions": 1})
    page.open(f"/topics/{name}/produce", name)
    page.fill("Value", '{"a": 1}')
    page.press("Add a header")
    page.fill("Header value", "x")
    page.press("Live tail")
    page.until("!!document.querySelector('.tail-bar')")
    page.press("Produce")
    page.until("document.querySelectorAll('form textarea')[1]?.value === '{\"a\": 1}'")
    page.press("Send")
    page.sees("A header has a value and no name")
    assert page.js("document.activeElement.getAttribute('aria-label')") == "Header name"


def test_a_draft_survives_a_link(page, platform):
    page.open("/sql", "SQL")
    page.fill("SQL statements", "SELECT 'my work';")
    page.until("localStorage.getItem('swiftwater.sql.text') === \"SELECT 'my work';\"")
    page.open("/sql?sql=SHOW%20TABLES%3B", "SQL")
    page.fill("SQL statements", "SHOW TABLES; -- edited")
    page.until("localStorage.getItem('swiftwater.sql.text').includes('edited')")
    page.press("Bring back my draft")
    page.until("document.querySelector('textarea').value === \"SELECT 'my work';\"")


def test_wrong_settings_are_told_with_their_line(page, platform):
    page.open("/sql", "SQL")
    for text, problem in (
        ("SET auto.offset.reset='earliest';", "Line 1:5: SET expects a text in single quotes here, not auto"),
        ("SHOW STREAMS;\n\nDEFINE y = unquoted;", "Line 3:12: DEFINE expects a text in single quotes"),
        ("SHOW STREAMS;\nSHOW TABLES;\n  SELEC 1;", "ine 3:3"),
        ("SET 'nope'='1';", "nope"), ("SET 'auto.offset.reset'='bogus';", "bogus"),
    ):  # fmt: skip
        page.fill("SQL statements", text)
        page.press("Run")
        page.until(f"[...document.querySelectorAll('.note.error')].some((n) => n.innerText.includes({json.dumps(problem)}))", what=problem)
    page.fill("SQL statements", "SET 'auto.offset.reset'='earliest';")
    page.press("Run")
    page.sees("auto.offset.reset is earliest")
    page.complaints = [text for text in page.complaints if "status of 400" not in text]  # the refusals were meant


def test_a_topic_that_is_gone_is_told(page, platform, name):
    platform.console.send("POST", "/api/topics", {"name": name, "partitions": 1})
    page.open(f"/topics/{name}/config", name)
    platform.console.send("DELETE", f"/api/topics/{name}")
    page.sees(f"“{name}” is gone")
    page.press("All topics")
    page.loaded("Topics")
    page.complaints = [text for text in page.complaints if "status of 404" not in text]


@pytest.mark.parametrize(
    "path, thing, everything, heading",
    [
        ("topics/{}/messages", "topic", "All topics", "Topics"),
        ("groups/{}", "consumer group", "All consumer groups", "Consumer groups"),
        ("connectors/{}", "connector", "All connectors", "Connectors"),
        ("dashboards/{}", "dashboard", "All dashboards", "Dashboards"),
    ],
)
def test_an_old_link_leads_to_what_there_is(page, platform, name, path, thing, everything, heading):
    page.open("/" + path.format(name), f"There is no such {thing}")
    page.sees(name)
    page.press(everything)
    page.loaded(heading)
    page.complaints = [text for text in page.complaints if "status of 404" not in text]
