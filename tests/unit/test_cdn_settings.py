"""What an instance may be told of its CDN, and what that makes of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from release_service import wiring
from release_service.cdn.fastly import Fastly
from release_service.cdn.front import Front
from release_service.settings import Settings

TOKEN = "a-token-of-fastly"  # noqa: S105 - it opens nothing
WHOLE = {"cdn_url": "https://download.example", "fastly_service_id": "4Ui4", "fastly_token": TOKEN}


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)


def test_without_a_cdn_nothing_is_purged_and_nothing_read_back() -> None:
    assert (wiring.purges(settings()), wiring.front(settings())) == (None, None)


def test_a_cdn_without_a_service_is_read_back_and_not_purged() -> None:
    alone = settings(cdn_url="https://download.example/", fastly_token=TOKEN)
    assert wiring.purges(alone) is None
    assert isinstance(wiring.front(alone), Front)


def test_a_service_with_a_token_is_purged() -> None:
    assert isinstance(wiring.purges(settings(**WHOLE)), Fastly)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"fastly_token": None}, "FASTLY_TOKEN"),
        ({"cdn_url": None}, "CDN_URL"),
        ({"fastly_token": f"{TOKEN}\n"}, "fastly_token"),
        ({"fastly_token": f"{TOKEN} "}, "fastly_token"),
        ({"fastly_token": ""}, "fastly_token"),
        ({"fastly_service_id": "../other"}, "fastly_service_id"),
        ({"cdn_url": "http://download.example"}, "cdn_url"),
        ({"cdn_url": "https://download.example/sources"}, "cdn_url"),
        ({"cdn_url": "https://user:word@download.example"}, "cdn_url"),
        ({"cdn_url": "download.example"}, "cdn_url"),
        ({"fastly_api_url": "http://api.fastly.example"}, "fastly_api_url"),
        ({"cdn_missing_ttl_s": 0}, "cdn_missing_ttl_s"),
    ],
)
def test_what_makes_no_sense_is_refused_at_start_by_name_and_without_the_token(
    changed: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**WHOLE | changed)
    assert named in str(refused.value)
    assert TOKEN not in str(refused.value)


def test_settings_do_not_show_the_token() -> None:
    assert TOKEN not in repr(settings(**WHOLE))


def test_a_loopback_cdn_needs_no_tls() -> None:
    told = settings(**WHOLE | {"cdn_url": "http://127.0.0.1:1/", "fastly_api_url": "http://[::1]:2"})
    assert (told.cdn_url, told.fastly_api_url) == ("http://127.0.0.1:1", "http://[::1]:2")
