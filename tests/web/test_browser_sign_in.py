"""Signing in by browser at a real OpenID provider, and everything else that a browser can be made to do."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import event, select

import components
from browsers import CALLBACK, SECRET, Browser, a_browser
from builders import a_tarball
from release_service.db import modules, persons
from release_service.db.tables import WebSession
from release_service.demo.gitlab import StandInGitLab
from release_service.demo.sso import WEB_CLIENT_ID, WEB_CLIENT_SECRET
from uploads import Environment, make_uploads

pytestmark = pytest.mark.slow

KINDS = ("embedded", pytest.param("production", marks=pytest.mark.real))
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
NAME = "gtk-4.18.1.tar.xz"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with components.nanoidp(tmp_path_factory.mktemp("sso")) as (url, _):
        yield url


@pytest.fixture
def embedded(environment_of: Callable[[str], Environment]) -> Environment:
    return environment_of("embedded")


@pytest.fixture
def browser(embedded: Environment, gitlab: StandInGitLab, issuer: str) -> Iterator[Browser]:
    with a_browser(embedded, gitlab, issuer) as made:
        yield made


def set_cookies(answer: httpx2.Response) -> "dict[str, Morsel[str]]":
    cookies: SimpleCookie = SimpleCookie()
    for header in answer.headers.get_list("set-cookie"):
        cookies.load(header)
    return dict(cookies)


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_signs_in_sees_their_account_and_signs_out_again(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, issuer: str, kind: str
) -> None:
    with a_browser(environment_of(kind), gitlab, issuer) as browser:
        sent = browser.get("/account")
        assert (sent.status_code, sent.headers["location"]) == (303, "/auth/login?next=/account")
        with browser.uploads.parts.service.transactions.begin() as session:
            alice = persons.ensure(session, issuer, "alice", "alice")
            gtk = modules.ensure(session, "gtk", datetime.now(UTC))
            modules.add_maintainer(session, gtk, alice, datetime.now(UTC))

        back = browser.sign_in("alice")
        assert (back.status_code, back.headers["location"]) == (303, "/account")
        account = browser.get("/account")
        assert account.status_code == 200
        for said in ("<strong>alice</strong>", f"<code>{issuer}</code>", "release-team", "<li>gtk</li>"):
            assert said in account.text
        assert account.headers["cache-control"] == "no-store"

        out = browser.http.post("/auth/logout", data={"csrf": browser.csrf()}, follow_redirects=False)
        assert out.status_code == 303
        assert (browser.cookie(), browser.sessions()) == (None, [])
        assert [(row["act"], row["verdict"], row["login"]) for row in browser.uploads.audited()] == [
            ("sign-in", "accepted", "alice"),
            ("sign-out", "accepted", "alice"),
        ]


def test_the_browser_is_sent_away_with_pkce_state_and_nonce_and_to_come_back_to_us(browser: Browser) -> None:
    page = browser.get("/auth/login", headers={"Host": "evil.example"}).headers["location"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(page).query).items()}
    assert page.startswith(f"{browser.issuer}/")
    assert (asked["redirect_uri"], asked["response_type"], asked["client_id"]) == (CALLBACK, "code", WEB_CLIENT_ID)
    assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "openid profile email groups")
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 20


def test_the_sso_is_told_to_forget_the_person_too_and_to_send_them_home(browser: Browser) -> None:
    browser.sign_in("alice")
    out = browser.http.post("/auth/logout", data={"csrf": browser.csrf()}, follow_redirects=False)
    there = urlsplit(out.headers["location"])
    assert there.geturl().startswith(f"{browser.issuer}/")
    assert parse_qs(there.query) == {
        "client_id": [WEB_CLIENT_ID],
        "post_logout_redirect_uri": ["http://127.0.0.1:8000/"],
    }


def test_the_session_has_another_id_after_signing_in_than_any_cookie_before(browser: Browser) -> None:
    browser.sign_in("bob")
    first = browser.cookie()
    page = browser.set_off()
    assert browser.cookie() == first  # who only begins to sign in stays who they are
    planted = browser.http.cookies["signing-in"]
    browser.get(browser.approve(page, "alice"))
    assert browser.cookie() not in {first, planted, None}
    assert [content["login"] for content in browser.sessions()] == ["alice"]
    assert "signing-in" not in browser.http.cookies


def test_the_cookie_of_a_sign_in_that_was_only_begun_is_no_session(browser: Browser) -> None:
    browser.set_off()
    browser.http.cookies.set("session", browser.http.cookies["signing-in"])
    assert browser.get("/account").status_code == 303


def test_cookies_are_lax_and_unseen_by_scripts(browser: Browser) -> None:
    """Strict ones would not come back from the SSO's site; no test on loopback, which is one site, could show it."""
    page = browser.get("/auth/login")
    away = set_cookies(page)["signing-in"]
    back = set_cookies(browser.get(browser.approve(page.headers["location"], "alice")))
    for cookie, seconds in ((away, "600"), (back["session"], "28800")):
        said = (cookie["samesite"], cookie["httponly"], cookie["path"], cookie["domain"], cookie["secure"])
        assert said == ("lax", True, "/", "", "")
        assert cookie["max-age"] == seconds
    assert back["signing-in"]["max-age"] == "0"


def test_over_https_cookies_are_bound_to_the_host(embedded: Environment, gitlab: StandInGitLab, issuer: str) -> None:
    with a_browser(embedded, gitlab, issuer, base_url="https://release.example.org") as browser:
        (cookie,) = set_cookies(browser.get("/auth/login")).values()
    assert (cookie.key, cookie["secure"], cookie["path"], cookie["domain"]) == ("__Host-signing-in", True, "/", "")


def refused(browser: Browser, path: str) -> str:
    """Come back on *path*; return why that is no sign-in."""
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (400, "no-store")
    assert answer.text.startswith("The sign-in did not work. (sign_in_failed)\n")
    assert browser.cookie() is None
    assert [row["code"] for row in browser.uploads.audited()][-1] == "sign_in_failed"
    return answer.text


def test_a_callback_that_comes_again_signs_nobody_in(browser: Browser) -> None:
    page = browser.set_off()
    begun = browser.http.cookies["signing-in"]
    callback = browser.approve(page, "alice")
    assert browser.get(callback).status_code == 303
    browser.http.cookies.clear()
    assert "no sign-in under way" in refused(browser, callback)
    browser.http.cookies.set("signing-in", begun)
    assert "no sign-in under way" in refused(browser, callback)


def test_a_code_that_another_browser_has_fetched_signs_nobody_in(browser: Browser) -> None:
    """Or somebody would work, and publish, in the attacker's name (login CSRF)."""
    attackers = browser.approve(browser.set_off(), "bob")
    browser.http.cookies.clear()
    assert "no sign-in under way" in refused(browser, attackers)
    browser.set_off()
    assert "not to a sign-in that this browser has under way" in refused(browser, attackers)


def test_a_sign_in_that_took_more_than_ten_minutes_is_begun_anew(browser: Browser) -> None:
    callback = browser.approve(browser.set_off(), "alice")
    expire_all(browser)
    assert "no sign-in under way" in refused(browser, callback)


def test_what_the_sso_refuses_is_said_in_our_words_only(browser: Browser) -> None:
    browser.set_off()
    said = refused(browser, "/auth/callback?error=access_denied&error_description=Call+0800-EVIL")
    assert ("access_denied" in said, "EVIL" in said) == (True, False)
    assert "evil" not in refused(browser, "/auth/callback?error=Call+0800-evil")
    assert "(server_error)" in refused(browser, "/auth/callback?error=server_error")
    assert "sign-in" in refused(browser, "/auth/callback")


def test_a_browser_is_shown_a_page_that_says_why(browser: Browser) -> None:
    browser.set_off()
    page = browser.get("/auth/callback?error=access_denied", headers=HTML)
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "<h1>The sign-in did not work.</h1>" in page.text
    assert "(access_denied)" in page.text
    assert "Sign in again from the start" in page.text
    asked_for_json = browser.get("/auth/callback", headers={"Accept": "text/html, application/json"})
    assert asked_for_json.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "foreign",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "evil",
        "",
        "javascript:alert(1)",
        "/a\r\nSet-Cookie: a=b",
        "/\t/evil.example/",
        "/" + 200 * "a",
    ],
)
def test_nobody_is_sent_to_another_site_after_signing_in(browser: Browser, foreign: str) -> None:
    browser.set_off(foreign)
    assert [content["next"] for content in browser.sessions()] == ["/account"]


def test_who_signs_in_on_the_way_to_a_page_gets_there(browser: Browser) -> None:
    assert browser.sign_in("alice", "/modules/gtk+?tab=rights").headers["location"] == "/modules/gtk+?tab=rights"


@pytest.mark.parametrize("sent", [{}, {"csrf": ""}, {"csrf": "\u00e9"}, {"csrf": 43 * "A"}])
def test_no_other_sites_form_signs_anybody_out(browser: Browser, sent: dict[str, str]) -> None:
    browser.sign_in("alice")
    answer = browser.http.post("/auth/logout", data=sent)
    assert (answer.status_code, "(form_expired)" in answer.text) == (403, True)
    assert browser.get("/account").status_code == 200


def test_the_form_of_another_session_is_not_good_for_this_one(browser: Browser) -> None:
    browser.sign_in("bob")
    bobs = browser.csrf()
    browser.http.cookies.clear()
    browser.sign_in("alice")
    assert browser.http.post("/auth/logout", data={"csrf": bobs}).status_code == 403
    assert len(browser.sessions()) == 2


def test_signing_out_takes_a_form_and_a_session(browser: Browser) -> None:
    assert browser.get("/auth/logout").status_code == 405
    assert browser.http.post("/auth/logout").status_code == 403
    browser.sign_in("alice")
    assert browser.http.post("/auth/logout", content=b"a" * 70_000).status_code == 413
    assert browser.http.post("/auth/logout", content="&".join(f"a{n}=1" for n in range(200))).status_code == 403


def test_after_signing_out_the_old_cookie_is_nobody(browser: Browser) -> None:
    browser.sign_in("alice")
    kept = browser.cookie()
    assert kept
    browser.http.post("/auth/logout", data={"csrf": browser.csrf()}, follow_redirects=False)
    browser.http.cookies.set("session", kept)
    assert browser.get("/account").status_code == 303


def expire_all(browser: Browser) -> None:
    with browser.uploads.parts.service.transactions.begin() as session:
        for kept in session.scalars(select(WebSession)):
            kept.expires_at = datetime.now(UTC) - timedelta(seconds=1)


def test_a_session_whose_time_is_over_is_nobody(browser: Browser) -> None:
    browser.sign_in("alice")
    expire_all(browser)
    assert browser.get("/account").status_code == 303


def test_a_made_up_cookie_costs_no_query(browser: Browser) -> None:
    asked = []
    engine = browser.uploads.parts.service.transactions.engine
    event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    browser.sign_in("alice")
    cookie = browser.cookie()
    assert cookie
    asked.clear()
    for made_up in ("", "x", "x.y", cookie[:-1], cookie.replace(".", "a."), cookie.partition(".")[0] + 43 * "a"):
        browser.http.cookies.clear()
        browser.http.cookies.set("session", made_up)
        assert (browser.get("/account").status_code, asked) == (303, [])


def test_readers_who_do_not_sign_in_leave_no_session(browser: Browser) -> None:
    for path in ("/", "/account", "/static/style.css", "/healthz", "/sources/"):
        assert "set-cookie" not in browser.get(path).headers
    assert browser.sessions() == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_replica_takes_back_whom_another_sent_away_and_knows_who_is_signed_in(
    environment_of: Callable[[str], Environment], gitlab: StandInGitLab, issuer: str, kind: str
) -> None:
    environment = environment_of(kind)
    with (
        a_browser(environment, gitlab, issuer) as browser,
        a_browser(environment, gitlab, issuer) as replica,
        a_browser(environment, gitlab, issuer, session_secret=2 * SECRET) as stranger,
    ):
        callback = browser.approve(browser.set_off(), "alice")
        replica.http.cookies.set("signing-in", browser.http.cookies["signing-in"])
        assert replica.get(callback).status_code == 303
        cookie = replica.cookie()
        assert cookie
        for other in (browser, stranger):
            other.http.cookies.set("session", cookie)
        assert "<strong>alice</strong>" in browser.get("/account").text
        assert stranger.get("/account").status_code == 303


def test_without_a_secret_sessions_are_of_one_process(
    embedded: Environment, gitlab: StandInGitLab, issuer: str
) -> None:
    with (
        a_browser(embedded, gitlab, issuer, session_secret=None) as browser,
        a_browser(embedded, gitlab, issuer, session_secret=None) as restarted,
    ):
        browser.sign_in("alice")
        restarted.http.cookies.update(browser.http.cookies)
        assert (browser.get("/account").status_code, restarted.get("/account").status_code) == (200, 303)


@pytest.mark.parametrize(("name", "roles"), [("alice", "release-team"), ("bob", "none"), ("carol", "administrator")])
def test_the_groups_of_the_sso_give_the_roles(browser: Browser, name: str, roles: str) -> None:
    browser.sign_in(name)
    assert f"<dt>Roles</dt><dd>{roles}</dd>" in browser.get("/account").text


def test_a_login_is_shown_as_text_whatever_it_holds(browser: Browser) -> None:
    name = "<img src=x onerror=alert(1)>\"'"
    httpx2.post(
        f"{browser.issuer}/api/runtime/users", json={"username": name, "password": name, "groups": []}
    ).raise_for_status()
    browser.sign_in(name)
    page = browser.get("/account").text
    assert "&lt;img src=x onerror=alert(1)&gt;&#34;&#39;" in page
    assert "<img" not in page


def test_pages_let_nothing_in_from_elsewhere(browser: Browser) -> None:
    browser.sign_in("alice")
    origin = browser.issuer.removesuffix("/realms/GNOME")
    for path in ("/", "/account", "/auth/callback"):
        headers = browser.get(path, headers=HTML).headers
        assert headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {origin}; "
            "frame-ancestors 'none'; base-uri 'none'"
        )
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    style = browser.get("/static/style.css")
    assert (style.headers["content-type"], style.headers["x-content-type-options"]) == (
        "text/css; charset=utf-8",
        "nosniff",
    )
    assert browser.get("/static/../pages.py").status_code == 404


def test_every_page_of_a_sandbox_says_so(embedded: Environment, gitlab: StandInGitLab, issuer: str) -> None:
    with a_browser(embedded, gitlab, issuer, sandbox=True) as browser:
        assert ["SANDBOX" in browser.get(path, headers=HTML).text for path in ("/", "/auth/callback")] == [True, True]
    with a_browser(embedded, gitlab, issuer) as browser:
        assert "SANDBOX" not in browser.get("/").text


def test_the_api_takes_no_cookie(browser: Browser) -> None:
    browser.sign_in("alice")
    assert browser.http.put(f"/api/v1/tarballs/{NAME}", content=a_tarball(NAME)).status_code == 401
    assert browser.http.post("/api/v1/check", json={"filename": NAME}).status_code == 401
    assert browser.http.get("/api/v1/whoami").status_code == 401
    assert browser.uploads.stored() == []


def test_switched_off_nobody_signs_in_but_everybody_may_leave(
    embedded: Environment, gitlab: StandInGitLab, issuer: str
) -> None:
    with (
        a_browser(embedded, gitlab, issuer) as browser,
        a_browser(embedded, gitlab, issuer, switched_off="sso") as off,
    ):
        callback = browser.approve(browser.set_off(), "alice")
        off.http.cookies.update(browser.http.cookies)
        for path in ("/auth/login", callback):
            answer = off.get(path)
            assert (answer.status_code, "(switched_off)" in answer.text, "retry-after" in answer.headers) == (
                503,
                True,
                True,
            )
        assert browser.get(callback).status_code == 303
        csrf = browser.csrf()
        off.http.cookies.update(browser.http.cookies)
        assert off.get("/account").status_code == 503
        assert off.http.post("/auth/logout", data={"csrf": csrf}, follow_redirects=False).status_code == 303
        assert browser.get("/account").status_code == 303


def test_without_an_sso_there_is_nothing_to_sign_in_with(embedded: Environment, gitlab: StandInGitLab) -> None:
    with make_uploads(embedded, gitlab) as uploads:
        for path in ("/auth/login", "/auth/callback?code=a&state=b"):
            assert uploads.http.get(path).status_code == 404
        assert "/account" not in uploads.http.get("/").text


def test_an_issuer_that_is_down_is_said_and_nobody_is_kept_from_signing_out(
    embedded: Environment, gitlab: StandInGitLab, tmp_path: Path
) -> None:
    home = tmp_path / "sso"
    with components.nanoidp(home) as (issuer, _), a_browser(embedded, gitlab, issuer) as browser:
        browser.sign_in("alice")
        callback = browser.approve(browser.set_off(), "alice")
    with a_browser(embedded, gitlab, issuer) as waiting, a_browser(embedded, gitlab, issuer) as late:
        late.http.cookies.update(browser.http.cookies)
        for path in ("/auth/login", "/auth/login", callback):
            answer = waiting.get(path) if path == "/auth/login" else late.get(path)
            assert (answer.status_code, "(issuer_unavailable)" in answer.text) == (503, True)
            assert int(answer.headers["retry-after"]) > 0
            assert "bytes" not in answer.text
        csrf = late.csrf()
        out = late.http.post("/auth/logout", data={"csrf": csrf}, follow_redirects=False)
        assert (out.status_code, out.headers["location"]) == (303, "/")


def test_one_address_cannot_fill_the_table_with_sign_ins(browser: Browser) -> None:
    for _ in range(120):
        if browser.get("/auth/callback").status_code == 429:
            break  # the minute began before this test
    answers = {browser.get(path).status_code for path in ("/auth/login", "/auth/callback", "/auth/login")}
    assert answers == {429}
    rows = [row["code"] for row in browser.uploads.audited()]
    assert rows.count("too_many_requests") <= 2


def test_neither_token_nor_code_nor_verifier_is_written_down(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        page = browser.set_off()
        (begun,) = browser.sessions()
        callback = browser.approve(page, "alice")
        browser.get(callback)
    # httpx2 is the browser here, too; what the service's own client says is asked for by log.configure: nothing.
    logged = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("http"))
    assert "authlib" not in {record.name.partition(".")[0] for record in caplog.records}
    (kept,) = browser.sessions()
    assert set(kept) == {"issuer", "subject", "login", "groups", "csrf"}
    state = next(value["data"] for name, value in begun.items() if name.startswith("_state_"))
    code = parse_qs(urlsplit(callback).query)["code"][0]
    cookie = browser.cookie()
    assert cookie
    for secret in (state["code_verifier"], code, "eyJ", WEB_CLIENT_SECRET, cookie.partition(".")[0]):
        assert secret not in logged
        assert secret not in str(browser.uploads.audited())
        assert secret not in str(kept)
