"""A service that other processes serve; the issuer's address is in the environment."""

import json
import os
from typing import Any

from fastapi import Depends, FastAPI

from vestibule.service import User, build_auth_deps
from vestibule.testing import settings

auth = build_auth_deps(settings(**json.loads(os.environ["TEST_SETTINGS"])))
app = FastAPI()

if token := os.environ.get("TEST_ASK_AT_IMPORT"):
    # The worst case of a preloading server: the thread runs already when it forks.
    auth.client.client.check_blocking(token)


@app.get("/")
async def root(user: User = Depends(auth.get_current_user)) -> dict[str, Any]:  # noqa: B008
    return {"pid": os.getpid(), "email": user.email}
