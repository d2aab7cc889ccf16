"""Debian's Chromium signs in at a real service and a real OpenID provider, and looks at our pages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page

import components
from release_service.demo import sso
from uploads import Environment

pytestmark = [pytest.mark.real, pytest.mark.slow]


@dataclass
class Tab:
    """A tab of Chromium at the service *base*; `complaints` is what it has logged about our pages."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def complain(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and message.location["url"].startswith(self.base):
            self.complaints.append(message.text)

    def sign_in(self, name: str) -> None:
        self.page.goto(self.base)
        self.page.get_by_role("link", name="Account", exact=True).click()
        self.page.fill("#username", name)
        self.page.fill("#password", name)
        self.page.get_by_role("button", name="Authorize").click()
        self.page.wait_for_url(f"{self.base}/account")


@pytest.fixture
def service(environment_of: Callable[[str], Environment], tmp_path: Path) -> Iterator[str]:
    port = components.free_port()
    environment = environment_of("embedded") | {
        "RELEASE_SERVICE_SSO_ISSUER": sso.issuer(port),
        "RELEASE_SERVICE_SSO_WEB_CLIENT_SECRET": sso.WEB_CLIENT_SECRET,
    }
    with (
        components.service(environment, tmp_path / "log") as (base, _),
        components.nanoidp(tmp_path / "sso", port=port, web_callback=f"{base}/auth/callback"),
    ):
        yield base


@pytest.fixture
def tab(service: str) -> Iterator[Tab]:
    with components.chromium() as page:
        tab = Tab(page, service)
        page.on("console", tab.complain)
        yield tab


def test_a_person_signs_in_sees_the_account_and_signs_out(tab: Tab) -> None:
    tab.sign_in("alice")
    assert tab.page.locator("strong").inner_text() == "alice"
    assert tab.page.evaluate("document.cookie") == ""
    # Our policy holds the form's redirects, too: to the SSO, and from there back to us.
    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.wait_for_url(f"{tab.base}/")
    # nanoidp has a cookie of the same name, at its own path.
    assert [c for c in tab.page.context.cookies() if (c.get("name"), c.get("path")) == ("session", "/")] == []
    tab.page.goto(f"{tab.base}/account")
    assert urlsplit(tab.page.url).path == "/realms/GNOME/authorize"
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_on_a_phone_and_on_a_desk(tab: Tab, scheme: str, tmp_path: Path) -> None:
    tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # a Literal
    tab.sign_in("alice")
    for name, path in {"home": "/", "account": "/account", "error": "/auth/callback"}.items():
        tab.page.goto(tab.base + path)
        for width in (360, 1280):
            tab.page.set_viewport_size({"width": width, "height": 800})
            assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
            tab.page.screenshot(path=tmp_path / f"{name}-{scheme}-{width}.png")
    # The 400 of the last page is what was asked for.
    assert [text for text in tab.complaints if "status of 400" not in text] == []
