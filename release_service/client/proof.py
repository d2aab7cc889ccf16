"""Who is asking: a CI job by its token, or a maintainer by a stored sign-in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx2

from release_service.client import Exit, Failure, ci, private
from release_service.client.profiles import Profiles
from release_service.client.service import Answer
from release_service.client.session import Session, sign_in_again
from release_service.client.upload import Token


@dataclass(frozen=True, slots=True)
class Caller:
    """A server, the connection to it and to the issuer, and the tokens that prove who calls."""

    http: httpx2.Client
    server: str
    token: Token
    is_job: bool

    def accepted(self, answer: Answer) -> Answer:
        """Return *answer*, unless it says that a maintainer's token proves nothing there.  (Raises: Failure.)"""
        if answer.status == httpx2.codes.UNAUTHORIZED and not self.is_job:
            raise Failure(Exit.NO_TOKEN, *answer.lines[:2], sign_in_again(self.server))
        return answer


def directory() -> Path:
    """Return where this maintainer's files are."""
    return private.config_directory(os.environ)


@contextmanager
def caller(server: str | None, token_env: str | None) -> Iterator[Caller]:
    """Find out which server is meant and who asks.  A job's token wins over a stored sign-in.  (Raises: Failure.)"""
    url = Profiles(directory()).server(server)
    job = ci.token_in(os.environ, token_env)
    with httpx2.Client() as http:
        token = Session(http, directory(), url).token if job is None else partial(str, job)
        yield Caller(http, url, token, is_job=job is not None)
