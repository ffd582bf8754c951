"""The same route with a dependency that does nothing: what FastAPI itself asks for one."""

from typing import Annotated

from fastapi import Depends, FastAPI


async def nobody() -> None:
    """Looks at nothing."""


app = FastAPI()


@app.get("/me")
async def me(user: Annotated[None, Depends(nobody)]) -> dict[str, bool]:
    """Open to everybody."""
    return {"ok": True}
