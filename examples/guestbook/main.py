"""A guestbook: everybody signs the same book, and each has a draft that nobody else sees.

The platform says who is calling and keeps the data. `draft` belongs to the viewer because it has no prefix;
`shared:entries` belongs to the whole group.
"""

from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, HTTPException, Request, status
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pages import home
from pydantic import BaseModel, Field

import vestibule

ENTRY_LENGTH = 280
DRAFT_LENGTH = 2_000
# One key holds 256 KiB; this many of the longest entries fit.
ENTRIES_KEPT = 150
FORM_BYTES = 32_768

app = FastAPI(title="Guestbook", description="Everybody signs the same book; each has a draft of their own.")
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")


class Draft(BaseModel):
    """What somebody is about to write."""

    text: Annotated[str, Field(max_length=DRAFT_LENGTH)]


class NewEntry(BaseModel):
    """What somebody writes into the book."""

    text: Annotated[str, Field(max_length=ENTRY_LENGTH)]


class Entry(BaseModel):
    """What stands in the book."""

    by: str
    text: str
    at: datetime


def signed_in() -> vestibule.Viewer:
    """The viewer, for routes that write. The platform has checked who it is."""
    viewer = vestibule.viewer()
    if viewer is None:
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Sign in to write.")
    return viewer


SignedIn = Annotated[vestibule.Viewer, Depends(signed_in)]


def read_draft() -> str:
    return str(vestibule.kv.get("draft", ""))


def read_entries() -> list[dict[str, Any]]:
    """The entries, newest first."""
    return list(reversed(vestibule.kv.get("shared:entries", [])))


def sign(viewer: vestibule.Viewer, text: str) -> Entry:
    """Adds an entry. `append` loses nothing when two people write at the same moment."""
    text = text.strip()
    if not text:
        raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT, "Write something first.")
    entry = Entry(by=viewer.username, text=text, at=datetime.now(timezone.utc).replace(microsecond=0))
    if vestibule.kv.append("shared:entries", entry.model_dump(mode="json")) > ENTRIES_KEPT:
        vestibule.kv.update("shared:entries", lambda entries: entries[-ENTRIES_KEPT:], default=[])
    return entry


# The page, which works without JavaScript


async def form_text(request: Request) -> str:
    """The field `text` of a posted form. A form on somebody else's site may not write in the viewer's name."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "This form was sent from another site.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            raise HTTPException(status.HTTP_413_CONTENT_TOO_LARGE, "That is too much text.")
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict")
    except ValueError:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "The form could not be read.") from None
    # Browsers send line ends as CRLF; one character is what people count.
    return fields.get("text", [""])[0].replace("\r\n", "\n")


FormText = Annotated[str, Depends(form_text)]


@app.get("/", response_class=HTMLResponse, include_in_schema=False)
def show_home() -> HTMLResponse:
    return page()


@app.post("/draft", include_in_schema=False, response_model=None)
def save_draft(_viewer: SignedIn, text: FormText) -> HTMLResponse | RedirectResponse:
    if len(text) > DRAFT_LENGTH:
        return page(problem=f"A draft has at most {DRAFT_LENGTH:,} characters; yours has {len(text):,}.", draft=text)
    vestibule.kv.set("draft", text)
    return back_home()


@app.post("/entries", include_in_schema=False, response_model=None)
def add_entry(viewer: SignedIn, text: FormText) -> HTMLResponse | RedirectResponse:
    if not text.strip():
        return page(problem="Write something first.")
    if len(text.strip()) > ENTRY_LENGTH:
        length = len(text.strip())
        return page(problem=f"An entry has at most {ENTRY_LENGTH} characters; yours has {length:,}.", entry=text)
    sign(viewer, text)
    return back_home()


def page(problem: str = "", draft: str | None = None, entry: str = "") -> HTMLResponse:
    """The one page; with a problem, what the person typed is still there."""
    body = home(
        viewer=vestibule.viewer(),
        draft=read_draft() if draft is None else draft,
        entries=read_entries(),
        problem=problem,
        entry=entry,
        draft_length=DRAFT_LENGTH,
        entry_length=ENTRY_LENGTH,
    )
    return HTMLResponse(
        body,
        status_code=status.HTTP_422_UNPROCESSABLE_CONTENT if problem else status.HTTP_200_OK,
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
            "img-src 'self'; form-action 'self'; base-uri 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    )


def back_home() -> RedirectResponse:
    # Relative, so that it is right wherever the app is mounted.
    return RedirectResponse("./", status.HTTP_303_SEE_OTHER)


# The same as JSON


@app.get("/api/me")
def get_me() -> vestibule.Viewer | None:
    """Who is calling; null for somebody who is not signed in."""
    return vestibule.viewer()


@app.get("/api/draft")
def get_draft() -> Draft:
    """The caller's draft."""
    return Draft(text=read_draft())


@app.put("/api/draft")
def put_draft(draft: Draft, _viewer: SignedIn) -> Draft:
    """Replaces the caller's draft."""
    vestibule.kv.set("draft", draft.text)
    return draft


@app.get("/api/entries")
def get_entries() -> list[Entry]:
    """The book, newest entry first."""
    return [Entry.model_validate(entry) for entry in read_entries()]


@app.post("/api/entries", status_code=status.HTTP_201_CREATED)
def post_entry(entry: NewEntry, viewer: SignedIn) -> Entry:
    """Writes into the book, in the caller's name."""
    return sign(viewer, entry.text)
