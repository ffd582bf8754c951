"""The item service with a route that somebody forgot to guard."""

from app.main import app

__all__ = ["app"]


@app.get("/secrets")
async def secrets() -> str:
    """For everybody, by mistake."""
    return "all of them"
