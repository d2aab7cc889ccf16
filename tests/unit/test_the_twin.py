"""The Varnish twin that the tests run has the rules of the real Fastly service, which cannot run here."""

from pathlib import Path

import pytest

from release_service.settings import Settings

FASTLY = Path(__file__).parent.parent.parent / "fastly"
MISSING_TTL_S = Settings.model_fields["cdn_missing_ttl_s"].default


@pytest.mark.parametrize(
    "rule",
    [
        '"[?#].*$"',
        '"^/pub/(GNOME|gnome)/", "/"',
        '!~ "^/(sources|core)(/|$)" && req.url != "/robots.txt"',
        "%2f|%[01][0-9a-f]|%7f",
        '~ "^/(sources(/[^/]+){0,2}|core(/[^/]+){0,3})$"',
        "beresp.status == 400 || beresp.status == 403 || beresp.status == 404",
        f"set beresp.ttl = {MISSING_TTL_S}s;",
        "= beresp.http.x-amz-meta-surrogate-key;",
    ],
)
def test_both_have_each_rule(rule: str) -> None:
    assert [name for name in ("main.vcl", "twin.vcl.in") if rule not in (FASTLY / name).read_text()] == []
