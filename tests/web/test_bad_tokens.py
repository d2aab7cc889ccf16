"""Every token that should prove nothing, held against the whole application.

Each entry is what somebody would try; the class of its table says how it is answered.  After each
one nothing is left behind, nobody was asked whom the token named, and the answer repeats no token.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

import forger
from builders import a_tarball
from forger import Canary, nothing, pss, rsa, with_json
from persons import ALICE, AUDIENCE, StandInSso
from release_service.db import modules, persons
from release_service.demo.gitlab import StandInGitLab
from uploads import Uploads, make_uploads

pytestmark = pytest.mark.slow

PROJECT, TAG, NAME = "GNOME/gtk", "4.18.1", "gtk-4.18.1.tar.xz"
GOOD = a_tarball(NAME)
PINNED, PINNED_ID, BOB = "GNOME/pinned", "7000", "6f1c9c3e-0000-4000-8000-0000000000b0"
HOUR = 3600
OWN_KEY = RSAKey.generate_key(2048, {"kid": "own"}, private=True)
Headers = list[tuple[str, str]]


def now() -> int:
    """Return the present second: the run takes longer than some tokens live."""
    return int(time.time())


@dataclass(frozen=True)
class World:
    """The service, the two issuers that it trusts, and one that it does not know."""

    uploads: Uploads
    gitlab: StandInGitLab
    sso: StandInSso
    canary: Canary

    def job(self, **changes: Any) -> str:
        """A job's good ID token, but for *changes* of its claims."""
        return self.gitlab.token(PROJECT, TAG, **changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        return self.gitlab.claims(PROJECT, TAG, **changes)

    def header(self, **changes: Any) -> dict[str, Any]:
        """A good header, but for *changes*."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.gitlab.keys[0].kid} | changes
        return {name: value for name, value in header.items() if value is not ...}

    def signed(self, header: object = None, claims: object = None) -> str:
        """Any *header* and *claims*, with GitLab's good signature."""
        return forger.token(header or self.header(), claims or self.claims(), rsa(self.gitlab.keys[0]))

    def person(self, **changes: Any) -> str:
        """The good access token of alice, who may publish every module that is registered, but for *changes*."""
        return self.sso.token(**changes)

    def job_token(self, **changes: Any) -> str:
        """A running job's good CI_JOB_TOKEN, but for *changes* of what GitLab says of it."""
        return self.gitlab.job_token(PROJECT, TAG, **changes)

    def post(self, headers: Headers, name: str = NAME) -> httpx2.Response:
        """Send as GNOME's CI component does."""
        files = {"tarball": (name, a_tarball(name))}
        return self.uploads.http.post("/install-module-release", headers=_json(headers), files=files)

    def put(self, headers: Headers, name: str = NAME) -> httpx2.Response:
        """Send as the command line does."""
        return self.uploads.http.put(f"/api/v1/tarballs/{name}", headers=_json(headers), content=a_tarball(name))

    def left(self) -> tuple[dict[str, int], list[str], int]:
        """What there is: rows, objects, files on their way."""
        return self.uploads.rows(), self.uploads.stored(), len(self.uploads.staged())


def _json(headers: Headers) -> Headers:
    return [*headers, ("Accept", "application/json")]


def bearer(text: str) -> Headers:
    return [("Authorization", f"Bearer {text}")]


def by_job_token(text: str) -> Headers:
    return [("JOB-TOKEN", text)]


@pytest.fixture(scope="module")
def world(gitlab: StandInGitLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A service where GNOME/pinned has published, guarded asks for an environment, and bob maintains pinned."""
    home, sso, canary = tmp_path_factory.mktemp("world"), StandInSso(), Canary()
    environment = {
        "RELEASE_SERVICE_GITLAB_ISSUER": gitlab.issuer,
        "RELEASE_SERVICE_SSO_ISSUER": sso.issuer,
        "RELEASE_SERVICE_DATABASE_URL": f"sqlite:///{home}/db",
        "RELEASE_SERVICE_STORE_URL": f"file:{home}/tree",
        "RELEASE_SERVICE_STAGING_DIR": str(home / "staging"),
    }
    unlimited = {"max_refusals_per_address_per_minute": 10**6, "max_requests_per_uploader_per_hour": 10**6}
    with make_uploads(environment, gitlab, **unlimited) as uploads:
        made = World(uploads, gitlab, sso, canary)
        register(made)
        yield made
    sso.stop()
    canary.stop()


def register(world: World) -> None:
    first = world.gitlab.token(PINNED, "1.0", project_id=PINNED_ID, jti="used")
    assert world.post(bearer(first), "pinned-1.0.tar.xz").status_code == 201
    service = world.uploads.parts.service
    with service.transactions.begin() as session:
        now = service.now()
        guarded = modules.ensure(session, "guarded", now)
        project = {"project_id": "7001", "namespace_id": "8", "project_path": "GNOME/guarded"}
        modules.pin(session, guarded, now, environment="release", **project)
        bob = persons.ensure(session, world.sso.issuer, BOB, "bob")
        modules.add_maintainer(session, modules.ensure(session, "pinned", now), bob, now)


WAYS: dict[str, Callable[[World, Headers], httpx2.Response]] = {"post": World.post, "put": World.put}
both_ways = pytest.mark.parametrize("way", WAYS)


def refused(world: World, send: Callable[[], httpx2.Response]) -> tuple[int, str]:
    """Send, and return status and code; whatever was tried, nothing is left and nobody else was asked."""
    before = world.left()
    answer = send()
    assert world.left() == before
    assert world.canary.connections == 0
    assert "eyJ" not in answer.text
    assert "glcbt-" not in answer.text.replace("glcbt-...", "")
    return answer.status_code, answer.json()["code"]


# Form -------------------------------------------------------------------------------------------

Build = Callable[[World], str]


def said_twice(world: World, name: str, first: str, spelled: str = "") -> str:
    """A token whose claim *name* comes twice, the good one last."""
    return world.signed(claims=f'{{"{spelled or name}": {first}, '.encode() + json.dumps(world.claims()).encode()[1:])


def with_letter(world: World, old: str, new: str) -> str:
    """A good token, spelled with a letter of another alphabet."""
    return next(text for text in iter(world.job, None) if old in text.rpartition(".")[2]).replace(old, new)


FORM: dict[str, Build] = {
    "nothing but dots": lambda _: "..",
    "no token but a word": lambda _: "secret",
    "another system's token": lambda _: "glpat-0123456789",
    "a job token in the wrong header": lambda w: w.job_token(),
    "one part": lambda w: w.job().partition(".")[0],
    "two parts": lambda w: w.job().rpartition(".")[0],
    "four parts": lambda w: f"{w.job()}.c2ln",
    "five parts, as if it were encrypted": lambda w: f"{w.job()}.c2ln.c2ln",
    "no signature behind the last dot": lambda w: w.job().rpartition(".")[0] + ".",
    "no header before the first dot": lambda w: "." + w.job().partition(".")[2],
    "a signature that is padded": lambda w: w.job() + "==",
    "a header that is padded": lambda w: w.job().replace(".", "=.", 1),
    "plus in place of minus": lambda w: with_letter(w, "-", "+"),
    "slash in place of underscore": lambda w: with_letter(w, "_", "/"),
    "the same bytes spelled otherwise": lambda w: forger.with_spare_bits(w.job()),
    "a letter too many": lambda w: w.job() + "A",
    "a space inside": lambda w: w.job().replace(".", " .", 1),
    "a tab inside": lambda w: w.job().replace(".", "\t.", 1),
    "a comma and another token": lambda w: f"{w.job()}, {w.job()}",
    "the scheme twice": lambda w: f"Bearer {w.job()}",
    "quoted": lambda w: f'"{w.job()}"',
    "percent-encoded dots": lambda w: w.job().replace(".", "%2E"),
    "longer than 16 KiB though well signed": lambda w: w.job(long=["x" * 255] * 64),
    "a megabyte": lambda w: w.job(long="x" * 2**20),
    "a header that is a list": lambda w: w.signed([w.header()]),
    "a header that is text": lambda w: w.signed("RS256"),
    "a header that is no JSON": lambda w: w.signed(b"{alg: RS256}"),
    "a header in UTF-16": lambda w: w.signed(json.dumps(w.header()).encode("utf-16")),
    "a header behind a byte order mark": lambda w: w.signed(json.dumps(w.header()).encode("utf-8-sig")),
    "a header and another one behind it": lambda w: w.signed(json.dumps(w.header()).encode() * 2),
    "a header that is 6000 deep": lambda w: w.signed(b"[" * 6000),
    "claims that are a list": lambda w: w.signed(claims=[w.claims()]),
    "claims that are text": lambda w: w.signed(claims=json.dumps(w.claims())),
    "claims that are null": lambda w: w.signed(claims=b"null"),
    "claims of nothing": lambda w: w.signed(claims=b"{}"),
    "claims that are no UTF-8": lambda w: w.signed(claims=json.dumps(w.claims()).encode()[:-1] + b', "x": "\xff"}'),
    "claims with a comma too many": lambda w: w.signed(claims=json.dumps(w.claims()).encode()[:-1] + b",}"),
    "claims with a comment": lambda w: w.signed(claims=json.dumps(w.claims()).encode() + b" // x"),
    "claims and more behind them": lambda w: w.signed(claims=json.dumps(w.claims()).encode() + b"\0"),
    "algorithm twice": lambda w: w.signed(b'{"alg": "none", ' + json.dumps(w.header()).encode()[1:]),
    "key id twice": lambda w: w.signed(b'{"kid": "own", ' + json.dumps(w.header()).encode()[1:]),
    "issuer twice": lambda w: said_twice(w, "iss", '"https://gitlab.com"'),
    "project twice": lambda w: said_twice(w, "project_path", '"mallory/gtk"'),
    "project twice, once in escapes": lambda w: said_twice(w, "project_path", '"mallory/gtk"', "project\\u005fpath"),
    "a claim twice in depth": lambda w: w.signed(claims=with_json(w.claims(), "x", '[{"y": 1, "y": 2}]')),
    "lists 17 deep": lambda w: w.signed(claims=with_json(w.claims(), "x", "[" * 16 + "]" * 16)),
    "lists 2000 deep": lambda w: w.signed(claims=with_json(w.claims(), "x", "[" * 2000 + "]" * 2000)),
    "objects 1500 deep": lambda w: w.signed(claims=with_json(w.claims(), "x", '{"a":' * 1500 + "1" + "}" * 1500)),
    "expires at NaN": lambda w: w.signed(claims=with_json(w.claims(), "exp", "NaN")),
    "expires at Infinity": lambda w: w.signed(claims=with_json(w.claims(), "exp", "Infinity")),
    "made at -Infinity": lambda w: w.signed(claims=with_json(w.claims(), "iat", "-Infinity")),
    "NaN where nobody looks": lambda w: w.signed(claims=with_json(w.claims(), "x", "NaN")),
    "expires at a number of 5000 digits": lambda w: w.signed(claims=with_json(w.claims(), "exp", "9" * 5000)),
}

# Header and signature ---------------------------------------------------------------------------


def self_made(world: World, **header: Any) -> str:
    """Signed with the forger's own key, under its own key id, with the *header* that should make us believe it."""
    return forger.token(world.header(kid="own", **header), world.claims(), rsa(OWN_KEY))


def by_algorithm(world: World, algorithm: str, sign: forger.Sign, **header: Any) -> str:
    """Well signed with another algorithm."""
    return forger.token(world.header(alg=algorithm, **header), world.claims(), sign)


def with_library(world: World, algorithm: str, key: ECKey | OKPKey) -> str:
    header = world.header(alg=algorithm)
    return jws.serialize_compact(header, json.dumps(world.claims()), key, algorithms=[algorithm])


def public_pem(world: World) -> bytes:
    return world.gitlab.keys[0].as_pem(private=False)


def public_jwk(world: World) -> bytes:
    return json.dumps(world.gitlab.keys[0].as_dict(private=False)).encode()


def mixed(world: World, header_of: int, claims_of: int, signature_of: int) -> str:
    """Parts of different good tokens."""
    texts = [world.job(jti=str(number)).split(".") for number in range(3)]
    texts[1][0] = forger.part(world.header(typ=...))
    return ".".join((texts[header_of][0], texts[claims_of][1], texts[signature_of][2]))


SIGNATURES: dict[str, Build] = {
    "algorithm none, without signature": lambda w: by_algorithm(w, "none", nothing),
    "algorithm none, with a signature": lambda w: w.signed(w.header(alg="none")),
    "algorithm None": lambda w: w.signed(w.header(alg="None")),
    "algorithm NONE": lambda w: w.signed(w.header(alg="NONE")),
    "algorithm of nothing": lambda w: w.signed(w.header(alg="")),
    "algorithm missing": lambda w: w.signed(w.header(alg=...)),
    "algorithm null": lambda w: w.signed(w.header(alg=None)),
    "algorithm in a list": lambda w: w.signed(w.header(alg=["RS256"])),
    "algorithm in small letters": lambda w: w.signed(w.header(alg="rs256")),
    "HS256 with the public key as PEM": lambda w: by_algorithm(w, "HS256", forger.hmac_sha256(public_pem(w))),
    "HS256 with the public key as JSON": lambda w: by_algorithm(w, "HS256", forger.hmac_sha256(public_jwk(w))),
    "HS256 with no secret": lambda w: by_algorithm(w, "HS256", forger.hmac_sha256(b"")),
    "RS256 that is HS256 with the public key": lambda w: by_algorithm(w, "RS256", forger.hmac_sha256(public_pem(w))),
    "RS384 with the good key": lambda w: by_algorithm(w, "RS384", rsa(w.gitlab.keys[0], hashes.SHA384())),
    "RS512 with the good key": lambda w: by_algorithm(w, "RS512", rsa(w.gitlab.keys[0], hashes.SHA512())),
    "RS256 that is RS512": lambda w: by_algorithm(w, "RS256", rsa(w.gitlab.keys[0], hashes.SHA512())),
    "PS256 with the good key": lambda w: by_algorithm(w, "PS256", pss(w.gitlab.keys[0])),
    "RS256 that is PS256": lambda w: by_algorithm(w, "RS256", pss(w.gitlab.keys[0])),
    "ES256 with an own key": lambda w: with_library(w, "ES256", ECKey.generate_key("P-256")),
    "Ed25519 with an own key": lambda w: with_library(w, "Ed25519", OKPKey.generate_key("Ed25519")),
    "key id missing": lambda w: w.signed(w.header(kid=...)),
    "key id null": lambda w: w.signed(w.header(kid=None)),
    "key id empty": lambda w: w.signed(w.header(kid="")),
    "key id a number": lambda w: w.signed(w.header(kid=0)),
    "key id in a list": lambda w: w.signed(w.header(kid=[w.gitlab.keys[0].kid])),
    "key id in capitals": lambda w: w.signed(w.header(kid=str(w.gitlab.keys[0].kid).swapcase())),
    "key id unknown": lambda w: w.signed(w.header(kid="unknown")),
    "key id a path": lambda w: w.signed(w.header(kid="../../etc/passwd")),
    "key id a URL": lambda w: w.signed(w.header(kid=f"{w.canary.issuer}{w.canary.keys_path}")),
    "key id a query": lambda w: w.signed(w.header(kid="' OR 1=1 --")),
    "key id of the single sign-on": lambda w: w.signed(w.header(kid=w.sso.keys[0].kid)),
    "own key under the good key id": lambda w: forger.token(w.header(), w.claims(), rsa(OWN_KEY)),
    "own key under its own id": self_made,
    "own key in the header": lambda w: self_made(w, jwk=OWN_KEY.as_dict(private=False)),
    "own key in the header under the good key id": lambda w: forger.token(
        w.header(jwk=OWN_KEY.as_dict(private=False)), w.claims(), rsa(OWN_KEY)
    ),
    "own keys at an address in the header": lambda w: self_made(w, jku=f"{w.canary.issuer}{w.canary.keys_path}"),
    "own certificate at an address in the header": lambda w: self_made(w, x5u=f"{w.canary.issuer}/certificate"),
    "own certificate in the header": lambda w: self_made(w, x5c=["MIIB"], x5t="AAAA"),
    "an address in place of a key": lambda w: self_made(w, jwk=w.canary.issuer),
    "an address of a file": lambda w: self_made(w, jku="file:///etc/passwd"),
    "an issuer of its own, well signed": lambda w: w.canary.sign(w.claims(iss=w.canary.issuer)),
    "an issuer of its own that names the good one's address": lambda w: w.canary.sign(
        w.claims(iss=w.canary.issuer), jku=f"{w.gitlab.issuer}{w.gitlab.keys_path}"
    ),
    "something critical": lambda w: w.signed(w.header(crit=["exp"], exp=now() + HOUR)),
    "something critical that nobody knows": lambda w: w.signed(w.header(crit=["x"], x=1)),
    "nothing critical": lambda w: w.signed(w.header(crit=[])),
    "critical null": lambda w: w.signed(w.header(crit=None)),
    "payload not encoded": lambda w: w.signed(w.header(b64=False, crit=["b64"])),
    "payload encoded, it says": lambda w: w.signed(w.header(b64=True)),
    "compressed": lambda w: w.signed(w.header(zip="DEF")),
    "a token in a token": lambda w: w.signed(w.header(cty="JWT")),
    "type of an access token": lambda w: w.signed(w.header(typ="at+jwt")),
    "type of a logout token": lambda w: w.signed(w.header(typ="logout+jwt")),
    "type null": lambda w: w.signed(w.header(typ=None)),
    "type in a list": lambda w: w.signed(w.header(typ=["JWT"])),
    "signed by the single sign-on": lambda w: w.sso.sign(w.claims()),
    "signed by the single sign-on under GitLab's key id": lambda w: w.sso.sign(w.claims(), kid=w.gitlab.keys[0].kid),
    "the claims of another token": lambda w: mixed(w, 0, 2, 0),
    "the signature of another token": lambda w: mixed(w, 0, 0, 2),
    "the header of another token": lambda w: mixed(w, 1, 0, 0),
    "a signature of zeros": lambda w: forger.token(w.header(), w.claims(), lambda _: b"\0" * 256),
    "a signature of one byte": lambda w: forger.token(w.header(), w.claims(), lambda _: b"\1"),
    "a signature that is cut off": lambda w: forger.token(
        w.header(), w.claims(), lambda content: rsa(w.gitlab.keys[0])(content)[:-1]
    ),
    "a signature with a byte in front": lambda w: forger.token(
        w.header(), w.claims(), lambda content: b"\0" + rsa(w.gitlab.keys[0])(content)
    ),
}

# Claims -----------------------------------------------------------------------------------------


def login_token(world: World, **changes: Any) -> str:
    """What the same GitLab signs for whoever logs in somewhere with it (threat T3)."""
    claims = {"iss": world.gitlab.issuer, "sub": "42", "aud": AUDIENCE, "iat": now(), "exp": now() + 120, "jti": "1"}
    return world.signed(claims=claims | {"email": "m@gnome.example", "groups_direct": ["GNOME"]} | changes)


CLAIMS: dict[str, Build] = {
    "for another service": lambda w: w.job(aud="sigstore"),
    "for nobody": lambda w: w.job(aud=...),
    "for null": lambda w: w.job(aud=None),
    "for a list that holds us": lambda w: w.job(aud=[AUDIENCE]),
    "for us and another": lambda w: w.job(aud=[AUDIENCE, "sigstore"]),
    "for us in capitals": lambda w: w.job(aud=AUDIENCE.upper()),
    "for somebody who begins like us": lambda w: w.job(aud=AUDIENCE + "-staging"),
    "for us and a space": lambda w: w.job(aud=AUDIENCE + " "),
    "for an object": lambda w: w.job(aud={AUDIENCE: True}),
    "of another GitLab": lambda w: w.job(iss="https://gitlab.com"),
    "of no issuer": lambda w: w.job(iss=...),
    "of the issuer null": lambda w: w.job(iss=None),
    "of issuers in a list": lambda w: w.job(iss=[w.gitlab.issuer]),
    "of the issuer with a slash": lambda w: w.job(iss=w.gitlab.issuer + "/"),
    "of the issuer in capitals": lambda w: w.job(iss=w.gitlab.issuer.upper()),
    "of the issuer by another scheme": lambda w: w.job(iss=w.gitlab.issuer.replace("http:", "https:")),
    "of the issuer by another name": lambda w: w.job(iss=w.gitlab.issuer.replace("127.0.0.1", "localhost")),
    "of the issuer with a user in front": lambda w: w.job(iss=w.gitlab.issuer.replace("//", "//x@")),
    "of the canary, signed by GitLab": lambda w: w.job(iss=w.canary.issuer),
    "of the single sign-on, signed by GitLab": lambda w: w.job(iss=w.sso.issuer),
    "a login token": login_token,
    "a login token that names a project": lambda w: login_token(w, project_path=PROJECT, project_id="1665"),
    "a login token for its own program": lambda w: login_token(w, aud="0123abcd", nonce="n"),
    "a person's claims, signed by GitLab": lambda w: w.signed(claims=w.sso.nanoidp(iss=w.gitlab.issuer)),
    "no project id": lambda w: w.job(project_id=...),
    "no namespace id": lambda w: w.job(namespace_id=...),
    "no project path": lambda w: w.job(project_path=...),
    "no job id": lambda w: w.job(job_id=...),
    "no ref": lambda w: w.job(ref=...),
    "no ref type": lambda w: w.job(ref_type=...),
    "no pipeline source": lambda w: w.job(pipeline_source=...),
    "no token id": lambda w: w.job(jti=...),
    "an empty token id": lambda w: w.job(jti=""),
    "a token id that is a number": lambda w: w.job(jti=7),
    "a token id of 256 letters": lambda w: w.job(jti="x" * 256),
    "a project id that is a number": lambda w: w.job(project_id=1665, job_project_id="1665"),
    "a project id that is true": lambda w: w.job(project_id=True, job_project_id="1665"),
    "a project id in a list": lambda w: w.job(project_id=["1665"], job_project_id="1665"),
    "a project id with a sign": lambda w: w.job(project_id="+1665", job_project_id="1665"),
    "a project id with a space": lambda w: w.job(project_id="1665 ", job_project_id="1665"),
    "a project id in Arabic digits": lambda w: w.job(project_id="\u0661\u0666\u0666\u0665"),
    "a namespace id that is a number": lambda w: w.job(namespace_id=8),
    "a job id that is a number": lambda w: w.job(job_id=4711),
    "a job's project id that is a number": lambda w: w.job(job_project_id=1665),
    "an access level that is a number": lambda w: w.job(user_access_level=40),
    "a configuration in a list": lambda w: w.job(ci_config_ref_uri=["gitlab.gnome.org/GNOME/gtk//.gitlab-ci.yml"]),
    "a ref path that is no text": lambda w: w.job(ref_path=["refs/tags/4.18.1"]),
    "a ref that is a number": lambda w: w.job(ref=4.18),
    "a pipeline source in a list": lambda w: w.job(pipeline_source=["push"]),
    "a path with NUL": lambda w: w.job(project_path="GNOME/gtk\0/../evil"),
    "a path with a newline": lambda w: w.job(project_path="GNOME/gtk\n"),
    "a path with a zero-width space": lambda w: w.job(project_path="GNOME/\u200bgtk"),
    "a path with a half of a letter": lambda w: w.job(project_path="GNOME/gtk\ud800"),
    "a path that runs from right to left": lambda w: w.job(project_path="\u202eGNOME/gtk"),
    "a path in a list": lambda w: w.job(project_path=["GNOME/gtk"]),
    "a login that moves the cursor": lambda w: w.job(user_login="\x1b[2J"),
    "a ref of 513 letters": lambda w: w.job(ref="4" * 513),
}

TIMES: dict[str, Build] = {
    "no end": lambda w: w.job(exp=...),
    "an end that is text": lambda w: w.job(exp=str(now() + HOUR)),
    "an end that is true": lambda w: w.job(exp=True),
    "an end that is null": lambda w: w.job(exp=None),
    "an end with a fraction": lambda w: w.job(exp=now() + HOUR + 0.5),
    "an end as a float": lambda w: w.job(exp=float(now() + HOUR)),
    "an end before 1970": lambda w: w.job(exp=-1),
    "an end at 1e308": lambda w: w.signed(claims=with_json(w.claims(), "exp", "1e308")),
    "an end at 1e400, which is infinite": lambda w: w.signed(claims=with_json(w.claims(), "exp", "1e400")),
    "an end that no clock shows": lambda w: w.job(exp=10**30),
    "an end in 34,000 years": lambda w: w.job(exp=2**40 - 1),
    "an end the day after tomorrow": lambda w: w.job(exp=now() + 48 * HOUR),
    "no beginning": lambda w: w.job(iat=...),
    "a beginning that is text": lambda w: w.job(iat=str(now())),
    "a beginning that is true": lambda w: w.job(iat=True),
    "a beginning with a fraction": lambda w: w.job(iat=now() - 0.5),
    "a beginning before 1970": lambda w: w.job(iat=-HOUR),
    "a beginning in an hour": lambda w: w.job(iat=now() + HOUR, exp=now() + 2 * HOUR),
    "not before an hour from now": lambda w: w.job(nbf=now() + HOUR),
    "not before some text": lambda w: w.job(nbf="0"),
    "not before null": lambda w: w.job(nbf=None),
    "not before the end of time": lambda w: w.signed(claims=with_json(w.claims(), "nbf", "1e308")),
}

EXPIRED: dict[str, Build] = {
    "expired a minute ago": lambda w: w.job(iat=now() - HOUR, nbf=now() - HOUR, exp=now() - 60),
    "expired long ago": lambda w: w.job(iat=1_699_999_000, nbf=1_699_999_000, exp=1_700_000_000),
    "expired in 1970": lambda w: w.job(iat=0, nbf=0, exp=0),
    "made four hours ago, for a long job": lambda w: w.job(
        iat=now() - 4 * HOUR, nbf=now() - 4 * HOUR, exp=now() + HOUR
    ),
    "made in 1970, good for ever": lambda w: w.job(iat=0, nbf=0),
}


@both_ways
@pytest.mark.parametrize("name", FORM | SIGNATURES | CLAIMS | TIMES)
def test_a_token_that_proves_no_job_is_refused(world: World, way: str, name: str) -> None:
    build = (FORM | SIGNATURES | CLAIMS | TIMES)[name]
    text = build(world)
    assert refused(world, lambda: WAYS[way](world, bearer(text))) == (401, "not_authenticated")


@both_ways
@pytest.mark.parametrize("name", EXPIRED)
def test_a_token_whose_time_is_over_is_refused(world: World, way: str, name: str) -> None:
    text = EXPIRED[name](world)
    assert refused(world, lambda: WAYS[way](world, bearer(text))) == (401, "token_expired")


# Jobs that may not ------------------------------------------------------------------------------

CYRILLIC_E = "\u0415"
JOBS: dict[str, tuple[str, dict[str, Any]]] = {
    "for an unprotected tag": ("tag_not_protected", {"ref_protected": "false"}),
    "for a tag that is protected by a boolean": ("tag_not_protected", {"ref_protected": True}),
    "for a tag that is protected in Python": ("tag_not_protected", {"ref_protected": "True"}),
    "for a tag that is protected in capitals": ("tag_not_protected", {"ref_protected": "TRUE"}),
    "for a tag that is protected by a number": ("tag_not_protected", {"ref_protected": 1}),
    "for a tag that is protected by a digit": ("tag_not_protected", {"ref_protected": "1"}),
    "for a tag that is protected behind a space": ("tag_not_protected", {"ref_protected": " true"}),
    "for a tag of which nothing is said": ("tag_not_protected", {"ref_protected": ...}),
    "for a tag that is protected by null": ("tag_not_protected", {"ref_protected": None}),
    "for a branch of the version's name": (
        "tag_not_protected",
        {"ref_type": "branch", "ref_path": f"refs/heads/{TAG}"},
    ),
    "for a branch that says to be a tag's path": ("tag_not_protected", {"ref_type": "branch"}),
    "for a Tag": ("tag_not_protected", {"ref_type": "Tag"}),
    "for a merge request": ("tag_not_protected", {"ref_type": "merge_request"}),
    "for a tag whose path is a branch's": ("tag_not_protected", {"ref_path": f"refs/heads/{TAG}"}),
    "for a tag whose path is another tag's": ("tag_not_protected", {"ref_path": "refs/tags/4.18.2"}),
    "for a tag without a path": ("tag_not_protected", {"ref_path": ...}),
    "for a tag whose path goes on": ("tag_not_protected", {"ref_path": f"refs/tags/{TAG}/x"}),
    "of a merge request": ("pipeline_source_not_accepted", {"pipeline_source": "merge_request_event"}),
    "of a schedule": ("pipeline_source_not_accepted", {"pipeline_source": "schedule"}),
    "of a trigger": ("pipeline_source_not_accepted", {"pipeline_source": "trigger"}),
    "of a click": ("pipeline_source_not_accepted", {"pipeline_source": "web"}),
    "of an API call": ("pipeline_source_not_accepted", {"pipeline_source": "api"}),
    "of a parent pipeline": ("pipeline_source_not_accepted", {"pipeline_source": "parent_pipeline"}),
    "of another project's pipeline": ("pipeline_source_not_accepted", {"pipeline_source": "pipeline"}),
    "of a Push": ("pipeline_source_not_accepted", {"pipeline_source": "Push"}),
    "of a push behind a space": ("pipeline_source_not_accepted", {"pipeline_source": " push"}),
    "of a fork, run by the project": ("fork_pipeline", {"job_project_id": "9"}),
    "of the project, run by a fork": ("fork_pipeline", {"job_project_id": "1666", "job_project_path": "mallory/gtk"}),
    "configured by another project": (
        "foreign_ci_configuration",
        {"ci_config_ref_uri": "gitlab.gnome.org/m/x//a.yml@b"},
    ),
    "configured by another ref": (
        "foreign_ci_configuration",
        {"ci_config_ref_uri": "gitlab.gnome.org/GNOME/gtk//.gitlab-ci.yml@refs/heads/main"},
    ),
    "configured by another file": (
        "foreign_ci_configuration",
        {"ci_config_ref_uri": "gitlab.gnome.org/GNOME/gtk//evil.yml@refs/tags/4.18.1"},
    ),
    "configured by the good file behind another project": (
        "foreign_ci_configuration",
        {"ci_config_ref_uri": "gitlab.gnome.org/m/GNOME/gtk//.gitlab-ci.yml@refs/tags/4.18.1"},
    ),
    "by a developer": ("access_level_too_low", {"user_access_level": "developer"}),
    "by a guest": ("access_level_too_low", {"user_access_level": "guest"}),
    "by a Maintainer": ("access_level_too_low", {"user_access_level": "Maintainer"}),
    "by a number": ("access_level_too_low", {"user_access_level": "40"}),
    "of a namespace in small letters": ("not_authorized", {"project_path": "gnome/gtk"}),
    "of a namespace that looks like ours": ("not_authorized", {"project_path": "GN0ME/gtk"}),
    "of a namespace that is spelled like ours": ("not_authorized", {"project_path": f"GNOM{CYRILLIC_E}/gtk"}),
    "of a namespace that begins like ours": ("not_authorized", {"project_path": "GNOME-extras/gtk"}),
    "of a namespace that ends like ours": ("not_authorized", {"project_path": "mallory/GNOME/gtk"}),
    "of a subgroup of ours": ("not_authorized", {"project_path": "GNOME/Incubator/gtk"}),
    "of a project below ours": ("not_authorized", {"project_path": "GNOME/gtk/gtk"}),
    "of a person's fork": ("not_authorized", {"project_path": "mallory/gtk", "namespace_id": "666"}),
    "of a project in capitals": ("not_authorized", {"project_path": "GNOME/GTK"}),
    "of a path behind a space": ("not_authorized", {"project_path": " GNOME/gtk"}),
    "of a path before a space": ("not_authorized", {"project_path": "GNOME/gtk "}),
    "of a path with a space inside": ("not_authorized", {"project_path": "GNOME /gtk"}),
    "of a path with two slashes": ("not_authorized", {"project_path": "GNOME//gtk"}),
    "of a path that goes up": ("not_authorized", {"project_path": "GNOME/x/../gtk"}),
    "of a path in percent signs": ("not_authorized", {"project_path": "GNOME%2Fgtk"}),
    "of a path with a backslash": ("not_authorized", {"project_path": "GNOME\\gtk"}),
    "of a path as git clones it": ("not_authorized", {"project_path": "GNOME/gtk.git"}),
    "of full-width letters": ("not_authorized", {"project_path": "\uff27NOME/gtk"}),
    "of a namespace alone": ("not_authorized", {"project_path": "GNOME"}),
}


@both_ways
@pytest.mark.parametrize("name", JOBS)
def test_a_job_that_may_not_publish_is_refused(world: World, way: str, name: str) -> None:
    """The configuration's address agrees with the rest, so that nothing but what is named is wrong."""
    code, changes = JOBS[name]
    path = changes.get("project_path", PROJECT)
    uri: dict[str, Any] = {"ci_config_ref_uri": f"gitlab.gnome.org/{path}//.gitlab-ci.yml@refs/tags/{TAG}"}
    if "ref_path" in changes or "ref_type" in changes:
        uri["ci_config_ref_uri"] = ...
    text = world.job(**uri | changes)
    assert refused(world, lambda: WAYS[way](world, bearer(text))) == (403, code)


OTHER_TAGS = [
    "4.18.2",
    "4.18",
    "4.18.1.0",
    "4.18.10",
    "V4.18.1",
    "v.4.18.1",
    "4.18.1 ",
    "release-4.18.1",
    "glib-4.18.1",
]
OTHER_TAGS += [
    "gtk_4.18.1",
    "GTK-4.18.1",
    "GTK_4_18_2",
    "GLIB_4_18_1",
    "4_18_1",
    "gtk-v4.18.1",
    "refs/tags/4.18.1",
    "*",
]


@both_ways
@pytest.mark.parametrize("tag", OTHER_TAGS)
def test_a_tag_that_does_not_say_the_version_is_refused(world: World, way: str, tag: str) -> None:
    text = world.gitlab.token(PROJECT, tag)
    assert refused(world, lambda: WAYS[way](world, bearer(text))) == (403, "tag_says_other_version")


def pinned(world: World, **changes: Any) -> str:
    """A job of the project that has published pinned-1.0, for pinned-1.1, but for *changes*."""
    project = changes.pop("project", PINNED)
    return world.gitlab.token(project, "1.1", **{"project_id": PINNED_ID} | changes)


def guarded(world: World, **changes: Any) -> str:
    return world.gitlab.token("GNOME/guarded", "1.0", **{"project_id": "7001"} | changes)


REGISTERED: dict[str, tuple[str, str, Build]] = {
    "a project that was renamed": ("pinned-1.1.tar.xz", "project_moved", lambda w: pinned(w, project="GNOME/pinned2")),
    "a project that was given away": ("pinned-1.1.tar.xz", "project_moved", lambda w: pinned(w, project="m/pinned")),
    "a project in a namespace made anew": ("pinned-1.1.tar.xz", "project_moved", lambda w: pinned(w, namespace_id="9")),
    "a project made anew": ("pinned-1.1.tar.xz", "project_recreated", lambda w: pinned(w, project_id="7777")),
    "a project made anew in a namespace made anew": (
        "pinned-1.1.tar.xz",
        "project_recreated",
        lambda w: pinned(w, project_id="7777", namespace_id="9"),
    ),
    "a project whose id has a zero in front": (
        "pinned-1.1.tar.xz",
        "project_recreated",
        lambda w: pinned(w, project_id="07000"),
    ),
    "another project of the same namespace": (
        "pinned-1.1.tar.xz",
        "not_authorized",
        lambda w: pinned(w, project="GNOME/gtk", project_id="1665"),
    ),
    "a project that publishes another module": (
        "guarded-1.1.tar.xz",
        "not_authorized",
        pinned,
    ),
    "a token that was used for another version": (
        "pinned-1.1.tar.xz",
        "token_already_used",
        lambda w: pinned(w, jti="used"),
    ),
    "a job without the environment": ("guarded-1.0.tar.xz", "environment_differs", guarded),
    "a job in another environment": (
        "guarded-1.0.tar.xz",
        "environment_differs",
        lambda w: guarded(w, environment="staging"),
    ),
    "a job in an environment in capitals": (
        "guarded-1.0.tar.xz",
        "environment_differs",
        lambda w: guarded(w, environment="Release"),
    ),
    "a job in environments in a list": (
        "guarded-1.0.tar.xz",
        "environment_differs",
        lambda w: guarded(w, environment=["release"]),
    ),
}


@pytest.mark.parametrize("name", REGISTERED)
def test_a_job_that_is_not_the_registered_one_is_refused(world: World, name: str) -> None:
    tarball, code, build = REGISTERED[name]
    text = build(world)
    assert refused(world, lambda: world.post(bearer(text), tarball)) == (403, code)


# Persons ----------------------------------------------------------------------------------------


def by_sso(world: World, sign: forger.Sign, **header: Any) -> str:
    """Alice's claims under another header."""
    said = {"alg": "RS256", "typ": "JWT", "kid": world.sso.keys[0].kid} | header
    return forger.token(said, world.sso.keycloak(), sign)


def sso_public_pem(world: World) -> bytes:
    return world.sso.keys[0].as_pem(private=False)


REFRESH = {"token_use": "refresh"}
PERSONS: dict[str, Build] = {
    "for nobody, as Keycloak does without a mapper": lambda w: w.person(aud=...),
    "for the account console": lambda w: w.person(aud="account"),
    "for a list without us": lambda w: w.person(aud=["account", "release-web"]),
    "for a list in a list": lambda w: w.person(aud=[[AUDIENCE]]),
    "for an empty list": lambda w: w.person(aud=[]),
    "for us in capitals, in a list": lambda w: w.person(aud=[AUDIENCE.upper()]),
    "an ID token": lambda w: w.person(typ="ID", aud=[AUDIENCE], nonce="n", at_hash="h"),
    "an ID token by its kind alone": lambda w: w.person(typ="ID"),
    "an ID token by its hash alone": lambda w: w.person(at_hash="h"),
    "a refresh token": lambda w: w.person(typ="Refresh"),
    "an offline token": lambda w: w.person(typ="Offline"),
    "a logout token": lambda w: w.person(
        typ="Logout", events={"http://schemas.openid.net/event/backchannel-logout": {}}
    ),
    "a logout token by its events alone": lambda w: w.person(events={}),
    "a token that is bound to a key": lambda w: w.person(typ="DPoP", cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2Hg"}),
    "a bearer token that is bound to a key": lambda w: w.person(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2Hg"}),
    "a token of no kind": lambda w: w.person(typ=...),
    "a token of two kinds": lambda w: w.person(**REFRESH),
    "nanoidp's ID token": lambda w: w.sso.sign(w.sso.nanoidp(token_use=..., client_id=..., nonce="n")),
    "nanoidp's refresh token": lambda w: w.sso.sign(w.sso.nanoidp(**REFRESH)),
    "another program's": lambda w: w.person(azp="gitlab"),
    "another program's, whose name begins like ours": lambda w: w.person(azp="release-cli2"),
    "no program's": lambda w: w.person(azp=...),
    "two programs'": lambda w: w.person(client_id="gitlab"),
    "programs' in a list": lambda w: w.person(azp=["release-cli"]),
    "another program's at nanoidp": lambda w: w.sso.sign(w.sso.nanoidp(client_id="gitlab")),
    "a service account by its name": lambda w: w.person(preferred_username="service-account-release-cli"),
    "a service account by its host": lambda w: w.person(clientHost="10.0.0.1", clientAddress="10.0.0.1"),
    "a service account by its subject": lambda w: w.sso.sign(w.sso.nanoidp(sub="release-cli")),
    "groups in a text": lambda w: w.person(groups="release-team"),
    "groups in a text with commas": lambda w: w.person(groups="gnomecvs,release-team"),
    "groups in an object": lambda w: w.person(groups={"release-team": True}),
    "groups in a list in a list": lambda w: w.person(groups=[["release-team"]]),
    "groups and a number": lambda w: w.person(groups=["release-team", 1]),
    "groups null": lambda w: w.person(groups=None),
    "a group with a zero-width space": lambda w: w.person(groups=["release-team\u200b"]),
    "no subject": lambda w: w.person(sub=...),
    "a subject that is a number": lambda w: w.person(sub=42),
    "a subject with NUL": lambda w: w.person(sub=f"{ALICE}\0"),
    "a subject of 256 letters": lambda w: w.person(sub="x" * 256),
    "a name that moves the cursor": lambda w: w.person(preferred_username="\x1b[2J"),
    "a name that is a number": lambda w: w.person(preferred_username=1),
    "a mail address with a header": lambda w: w.person(email="a@gnome.example\nBcc: b@gnome.example"),
    "no end": lambda w: w.person(exp=...),
    "an end that is text": lambda w: w.person(exp=str(now() + HOUR)),
    "an end the day after tomorrow": lambda w: w.person(exp=now() + 48 * HOUR),
    "no beginning": lambda w: w.person(iat=...),
    "not before an hour from now": lambda w: w.person(nbf=now() + HOUR),
    "of another realm": lambda w: w.person(iss=w.sso.issuer.replace("GNOME", "master")),
    "of a realm with a slash": lambda w: w.person(iss=w.sso.issuer + "/"),
    "of the canary, well signed": lambda w: w.canary.sign(w.sso.keycloak(iss=w.canary.issuer)),
    "signed by GitLab": lambda w: w.gitlab.sign(w.sso.keycloak()),
    "signed by GitLab under the single sign-on's key id": lambda w: w.gitlab.sign(
        w.sso.keycloak(), kid=w.sso.keys[0].kid
    ),
    "a job, signed by the single sign-on in its own name": lambda w: w.sso.sign(w.claims(iss=w.sso.issuer)),
    "signed by nobody": lambda w: by_sso(w, nothing, alg="none"),
    "signed with the public key as a secret": lambda w: by_sso(w, forger.hmac_sha256(sso_public_pem(w)), alg="HS256"),
    "signed with an own key in the header": lambda w: by_sso(w, rsa(OWN_KEY), jwk=OWN_KEY.as_dict(private=False)),
    "signed with own keys at an address": lambda w: by_sso(w, rsa(OWN_KEY), kid="own", jku=w.canary.issuer),
    "signed with PS256": lambda w: by_sso(w, pss(w.sso.keys[0]), alg="PS256"),
    "something critical": lambda w: by_sso(w, rsa(w.sso.keys[0]), crit=["x"], x=1),
    "claims that were changed": lambda w: ".".join(
        (*w.person(groups=[]).split(".")[:1], w.person().split(".")[1], w.person(groups=[]).split(".")[2])
    ),
}
PERSONS_EXPIRED: dict[str, Build] = {
    "expired": lambda w: w.person(iat=now() - HOUR, exp=now() - 60),
    "made the day before yesterday": lambda w: w.person(iat=now() - 48 * HOUR),
}


@pytest.mark.parametrize("name", PERSONS)
def test_a_token_that_proves_no_person_is_refused(world: World, name: str) -> None:
    text = PERSONS[name](world)
    sent = refused(world, lambda: world.put(bearer(text), "pinned-1.1.tar.xz"))
    assert sent == (401, "not_authenticated")


@pytest.mark.parametrize("name", PERSONS_EXPIRED)
def test_a_persons_token_whose_time_is_over_is_refused(world: World, name: str) -> None:
    text = PERSONS_EXPIRED[name](world)
    assert refused(world, lambda: world.put(bearer(text), "pinned-1.1.tar.xz")) == (401, "token_expired")


GOOD_PERSONS: dict[str, Build] = {
    "of the release team": lambda w: w.person(),
    "of the release team at nanoidp": lambda w: w.sso.sign(w.sso.nanoidp()),
    "who maintains it": lambda w: w.person(sub=BOB, preferred_username="bob", groups=[]),
}


@pytest.mark.parametrize("name", GOOD_PERSONS)
def test_persons_have_no_business_where_ci_jobs_go_in(world: World, name: str) -> None:
    text = GOOD_PERSONS[name](world)
    sent = refused(world, lambda: world.post(bearer(text), "pinned-1.1.tar.xz"))
    assert sent == (401, "not_authenticated")


NO_RIGHTS: dict[str, dict[str, Any]] = {
    "in no group": {"groups": []},
    "with no groups at all": {"groups": ...},
    "in a group that begins alike": {"groups": ["release-team-friends"]},
    "in the beginning of the group's name": {"groups": ["release"]},
    "in a group that ends alike": {"groups": ["not-release-team"]},
    "in the group in capitals": {"groups": ["Release-Team"]},
    "in the group before a slash": {"groups": ["release-team/"]},
    "in the group before a space": {"groups": ["release-team "]},
    "in a group of the name below another": {"groups": ["/friends/release-team"]},
    "in a group below the team": {"groups": ["/release-team/guests"]},
    "in a group with two slashes": {"groups": ["//release-team"]},
    "in a group of all names": {"groups": ["gnomecvs,release-team"]},
    "with the group as a role of the realm": {"groups": [], "realm_access": {"roles": ["release-team"]}},
    "with the group as a role of a program": {
        "groups": [],
        "resource_access": {"release-cli": {"roles": ["release-team"]}},
    },
    "with the group as nanoidp's authority": {"groups": [], "authorities": ["release-team"], "roles": ["release-team"]},
    "of a maintainer's name": {"groups": [], "sub": ALICE, "preferred_username": "bob"},
    "of a maintainer's name as subject": {"groups": [], "sub": "bob", "preferred_username": "bob"},
    "of a maintainer's subject in capitals": {"groups": [], "sub": BOB.upper()},
    "of a maintainer's mail address": {"groups": [], "email": "bob@gnome.example"},
}


@pytest.mark.parametrize("name", NO_RIGHTS)
def test_a_person_who_has_no_right_is_refused(world: World, name: str) -> None:
    text = world.person(**NO_RIGHTS[name])
    sent = refused(world, lambda: world.put(bearer(text), "pinned-1.1.tar.xz"))
    assert sent == (403, "not_a_maintainer")


def test_the_release_team_publishes_registered_modules_only(world: World) -> None:
    text = world.person()
    assert refused(world, lambda: world.put(bearer(text))) == (403, "module_not_registered")


# Job tokens and headers -------------------------------------------------------------------------


def gone(world: World) -> str:
    return world.job_token(**{"job.ref": "4.18.1-gone"})


JOB_TOKENS: dict[str, tuple[int, str, Build]] = {
    "a token that GitLab does not know": (401, "not_authenticated", lambda _: "glcbt-64_of-another-gitlab"),
    "a job that has succeeded": (401, "not_authenticated", lambda w: w.job_token(**{"job.status": "success"})),
    "a job that has failed": (401, "not_authenticated", lambda w: w.job_token(**{"job.status": "failed"})),
    "a job that was canceled": (401, "not_authenticated", lambda w: w.job_token(**{"job.status": "canceled"})),
    "a job that waits": (401, "not_authenticated", lambda w: w.job_token(**{"job.status": "pending"})),
    "a token of nothing": (401, "not_authenticated", lambda _: "glcbt-"),
    "a personal access token": (401, "not_authenticated", lambda _: "glpat-0123456789abcdefghij"),
    "a deploy token": (401, "not_authenticated", lambda _: "gldt-0123456789abcdefghij"),
    "an ID token": (401, "not_authenticated", lambda w: w.job()),
    "a person's token": (401, "not_authenticated", lambda w: w.person()),
    "two tokens in one": (401, "not_authenticated", lambda w: f"{w.job_token()}, {w.job_token()}"),
    "a token in capitals": (401, "not_authenticated", lambda w: w.job_token().upper()),
    "a token that goes on as a path": (401, "not_authenticated", lambda w: f"{w.job_token()}/../user"),
    "a token longer than 16 KiB": (401, "not_authenticated", lambda _: "glcbt-" + "x" * 16 * 1024),
    "a tag that was moved": (403, "tag_moved", lambda w: w.job_token(**{"tag.commit.id": "0" * 40})),
    "a job of another commit": (403, "tag_moved", lambda w: w.job_token(**{"job.commit.id": "0" * 40})),
    "a pipeline of another commit": (403, "tag_moved", lambda w: w.job_token(**{"job.pipeline.sha": "0" * 40})),
    "a tag that is gone": (403, "tag_moved", gone),
    "an unprotected tag": (403, "tag_not_protected", lambda w: w.job_token(**{"tag.protected": False})),
    "a branch": (403, "tag_not_protected", lambda w: w.job_token(**{"job.tag": False})),
    "a merge request": (
        403,
        "pipeline_source_not_accepted",
        lambda w: w.job_token(**{"job.pipeline.source": "merge_request_event"}),
    ),
    "a schedule": (403, "pipeline_source_not_accepted", lambda w: w.job_token(**{"job.pipeline.source": "schedule"})),
    "another version": (403, "tag_says_other_version", lambda w: w.gitlab.job_token(PROJECT, "4.18.2")),
    "another project": (403, "not_authorized", lambda w: w.gitlab.job_token("GNOME/glib", TAG)),
    "a person's fork": (403, "not_authorized", lambda w: w.gitlab.job_token("mallory/gtk", TAG, project_id=666)),
    "a project that nobody sees": (
        403,
        "not_authorized",
        lambda w: w.job_token(**{"job.pipeline.project_id": 123456}),
    ),
}


@both_ways
@pytest.mark.parametrize("name", JOB_TOKENS)
def test_a_job_token_that_proves_too_little_is_refused(world: World, way: str, name: str) -> None:
    status, code, build = JOB_TOKENS[name]
    text = build(world)
    assert refused(world, lambda: WAYS[way](world, by_job_token(text))) == (status, code)


@pytest.mark.parametrize("text", ["glpat-0123456789abcdefghij", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "glcbt-a b"])
def test_a_secret_of_another_kind_is_not_shown_to_gitlab(world: World, text: str) -> None:
    asked = len(world.gitlab.api.asked)
    assert refused(world, lambda: world.post(by_job_token(text)))[0] == 401
    assert len(world.gitlab.api.asked) == asked


HEADERS: dict[str, Callable[[World], Headers]] = {
    "none": lambda _: [],
    "an empty one": lambda _: [("Authorization", "")],
    "a scheme without a token": lambda _: [("Authorization", "Bearer")],
    "a scheme and a space": lambda _: [("Authorization", "Bearer ")],
    "a token without a scheme": lambda w: [("Authorization", w.job())],
    "another scheme": lambda w: [("Authorization", f"Token {w.job()}")],
    "a password": lambda _: [("Authorization", "Basic YWxpY2U6YWxpY2U=")],
    "GitLab's own header": lambda w: [("PRIVATE-TOKEN", w.job())],
    "a cookie": lambda w: [("Cookie", f"Authorization=Bearer {w.job()}; session={w.job()}")],
    "two good tokens": lambda w: [*bearer(w.job()), *bearer(w.job())],
    "a good token and a bad one": lambda w: [*bearer(w.job()), *bearer("x")],
    "a bad token and a good one": lambda w: [*bearer("x"), *bearer(w.job())],
    "a good ID token and a good job token": lambda w: [*bearer(w.job()), *by_job_token(w.job_token())],
    "a good ID token and an empty job token": lambda w: [*bearer(w.job()), *by_job_token("")],
    "a good job token and an empty bearer": lambda w: [("Authorization", ""), *by_job_token(w.job_token())],
    "two good job tokens": lambda w: [*by_job_token(w.job_token()), *by_job_token(w.job_token())],
    "an empty job token": lambda _: by_job_token(""),
}


@both_ways
@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_do_not_hold_exactly_one_token_are_refused(world: World, way: str, name: str) -> None:
    headers = HEADERS[name](world)
    assert refused(world, lambda: WAYS[way](world, headers)) == (401, "not_authenticated")


def test_a_token_in_the_address_is_none(world: World) -> None:
    path = f"/api/v1/tarballs/{NAME}?access_token={world.job()}&job_token={world.job_token()}"
    sent = refused(world, lambda: world.uploads.http.put(path, headers=_json([]), content=GOOD))
    assert sent == (401, "not_authenticated")


# Good ones: the rules above are not right because they refuse everything -------------------------


def of_app(world: World, tag: str, **changes: Any) -> str:
    return world.gitlab.token("GNOME/app", tag, **changes)


def good_job(world: World, version: str, header: dict[str, Any] | None = None, **changes: Any) -> Headers:
    """A job of GNOME/app for *version*; *header* changes its header."""
    return bearer(world.signed(world.header(**header or {}), world.gitlab.claims("GNOME/app", version, **changes)))


def good_person(world: World, **changes: Any) -> Headers:
    return bearer(world.person(**changes))


GOOD_ONES: dict[str, tuple[str, str, Callable[[World], Headers]]] = {
    "the tag is the version": ("post", "app-48.1", lambda w: bearer(of_app(w, "48.1"))),
    "the tag has a v": ("post", "app-48.2", lambda w: bearer(of_app(w, "v48.2"))),
    "the tag has the module": ("post", "app-48.3", lambda w: bearer(of_app(w, "app-48.3"))),
    "the tag is of the old style": ("post", "app-48.4", lambda w: bearer(of_app(w, "APP_48_4"))),
    "the job puts": ("put", "app-48.5", lambda w: good_job(w, "48.5")),
    "the header says no type": ("post", "app-48.6", lambda w: good_job(w, "48.6", {"typ": ...})),
    "the header says more, and good keys elsewhere": (
        "post",
        "app-48.7",
        lambda w: good_job(w, "48.7", {"jku": w.canary.issuer, "x5u": w.canary.issuer, "x": [1]}),
    ),
    "GitLab is older": (
        "post",
        "app-48.8",
        lambda w: good_job(w, "48.8", nbf=..., job_project_id=..., user_access_level=..., ci_config_ref_uri=...),
    ),
    "GitLab is newer": (
        "post",
        "app-48.9",
        lambda w: good_job(w, "48.9", groups_direct=["GNOME"], user_identities=[{"provider": "x"}], new={"a": 1}),
    ),
    "the job names an environment that nobody asks for": (
        "post",
        "app-48.10",
        lambda w: good_job(w, "48.10", environment="x", environment_protected="false"),
    ),
    "the job names the environment that is asked for": (
        "post",
        "guarded-1.0",
        lambda w: bearer(guarded(w, environment="release")),
    ),
    "the token is nearly expired": (
        "post",
        "app-48.11",
        lambda w: good_job(w, "48.11", iat=now() - HOUR, exp=now() + 60),
    ),
    "the scheme is in small letters": (
        "post",
        "app-48.12",
        lambda w: [("authorization", f"bearer {of_app(w, '48.12')}")],
    ),
    "a pinned project goes on": ("post", "pinned-1.1", lambda w: bearer(pinned(w))),
    "a job token posts": ("post", "app-48.13", lambda w: by_job_token(w.gitlab.job_token("GNOME/app", "48.13"))),
    "a job token puts": ("put", "app-48.14", lambda w: by_job_token(w.gitlab.job_token("GNOME/app", "v48.14"))),
    "Keycloak's person": ("put", "pinned-1.2", good_person),
    "Keycloak's person, with a nonce as before version 25": ("put", "pinned-1.9", lambda w: good_person(w, nonce="n")),
    "Keycloak's person, for us alone": ("put", "pinned-1.3", lambda w: good_person(w, aud=AUDIENCE)),
    "Keycloak's person, by the browser's program": ("put", "pinned-1.4", lambda w: good_person(w, azp="release-web")),
    "Keycloak's person, in a group without a slash": (
        "put",
        "pinned-1.5",
        lambda w: good_person(w, groups=["release-team"]),
    ),
    "nanoidp's person": ("put", "pinned-1.6", lambda w: bearer(w.sso.sign(w.sso.nanoidp()))),
    "a maintainer in no group": ("put", "pinned-1.7", lambda w: good_person(w, sub=BOB, groups=...)),
    "a maintainer under a new name": (
        "put",
        "pinned-1.8",
        lambda w: good_person(w, sub=BOB, preferred_username="robert", groups=[]),
    ),
}


@pytest.mark.parametrize("name", GOOD_ONES)
def test_a_good_token_publishes(world: World, name: str) -> None:
    way, release, build = GOOD_ONES[name]
    send = {"post": world.post, "put": world.put}[way]
    answer = send(build(world), f"{release}.tar.xz")
    assert answer.status_code == 201, answer.text
    assert world.canary.connections == 0
    assert world.uploads.staged() == []
