"""What the tests of the console's pages share: a browser, a tab of each test's own, a platform with nothing on it."""

import uuid

import pytest
from browser import Browser
from console import Platform
from console_checks import check_quiet


@pytest.fixture(scope="module")
def empty_platform(tmp_path_factory):
    platform = Platform(tmp_path_factory.mktemp("platform")).start()
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def page(browser, platform):
    """A tab of the test's own; what it complained about fails the test."""
    page = browser.page(f"http://127.0.0.1:{platform.console_port}")
    yield page
    if not getattr(page, "noisy", False):
        check_quiet(page)
    page.close()


@pytest.fixture
def name():
    return f"t-{uuid.uuid4().hex[:8]}"
