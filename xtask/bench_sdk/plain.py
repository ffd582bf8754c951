"""The baseline of the SDK's measurements: a route that asks nobody who is calling."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/me")
async def me() -> dict[str, bool]:
    """Answers what the other services answer, without a look at the request."""
    return {"ok": True}
