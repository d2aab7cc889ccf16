"""Is a token signed by its issuer?  The one place where that is decided, for every kind of token."""

from joserfc import jws
from joserfc.errors import JoseError

from release_service.errors import NotAuthenticated
from release_service.identity.keys import IssuerKeys
from release_service.identity.token import ALGORITHM, UnprovenToken

# Not strict about the header: `token.parse` has judged it, and an issuer may add what it likes.
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM], strict_check_header=False)


async def check_signature(token: UnprovenToken, keys: IssuerKeys) -> None:
    """Raise NotAuthenticated unless one of *keys* has signed *token*; IssuerUnavailable if they cannot be had."""
    key = await keys.key(token.key_id)
    try:
        jws.deserialize_compact(token.text, key, algorithms=[ALGORITHM], registry=_REGISTRY)
    except (JoseError, ValueError):
        raise NotAuthenticated("The token's signature is not its issuer's.") from None
