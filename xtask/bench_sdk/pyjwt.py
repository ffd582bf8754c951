"""The same route with what many services write by hand: PyJWT in an `async def` dependency, the key kept."""

import os
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

key_set = jwt.PyJWKClient(os.environ["JWKS_URI"]).get_jwk_set()
keys = {key.key_id: key.key for key in key_set.keys}
issuer, audience = os.environ["TOKEN_ISSUER"], os.environ["TOKEN_AUDIENCE"]
bearer = HTTPBearer()


async def current_user(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
    """The claims of a good token. What was revoked stays good until it expires."""
    token = credentials.credentials
    try:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=["RS256"], issuer=issuer, audience=audience)
    except (jwt.InvalidTokenError, KeyError):
        raise HTTPException(status_code=401) from None
    return claims


app = FastAPI()


@app.get("/me")
async def me(user: Annotated[dict[str, Any], Depends(current_user)]) -> dict[str, bool]:
    """Open to whoever holds a good token."""
    return {"ok": True}
