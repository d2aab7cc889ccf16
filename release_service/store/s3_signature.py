"""Signs a GET of an object, as AWS Signature Version 4 says: what botocore does, in a fifth of the processor time.

Only what the service itself asks for: no query, no body.  A wrong signature costs time, nothing else: what is
refused goes the long way, by botocore (see `s3_reader`).
"""

import hashlib
import hmac
from datetime import UTC, datetime
from functools import lru_cache

from botocore.credentials import ReadOnlyCredentials

_ALGORITHM = "AWS4-HMAC-SHA256"
_NOTHING = hashlib.sha256().hexdigest()
_MOMENT = "%Y%m%dT%H%M%SZ"


def headers(
    path: str, host: str, region: str, credentials: ReadOnlyCredentials, now: datetime | None = None
) -> dict[str, str]:
    """Return the headers that make a GET of *path* (quoted, from its first slash) at *host* one of *credentials*."""
    moment = (now or datetime.now(UTC)).strftime(_MOMENT)
    signed = {"host": host, "x-amz-content-sha256": _NOTHING, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    request = f"GET\n{path}\n\n{lines}\n{names}\n{_NOTHING}"
    day = moment[:8]
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(_key(credentials.secret_key, day, region), text.encode(), "sha256").hex()
    credential = f"{credentials.access_key}/{scope}"
    return signed | {
        "authorization": f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    }


@lru_cache(maxsize=2)  # today's, and at midnight tomorrow's
def _key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
