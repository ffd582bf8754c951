"""The HTML of the guestbook. Everything that people wrote is escaped here."""

from datetime import datetime
from html import escape
from typing import Any

import vestibule


def home(
    *,
    viewer: vestibule.Viewer | None,
    draft: str,
    entries: list[dict[str, Any]],
    problem: str,
    entry: str,
    draft_length: int,
    entry_length: int,
) -> str:
    if viewer is None:
        who = '<p class="who">You are looking around as a guest.</p>'
        desk = '<section class="card"><p>Sign in to keep a draft and to write into the book.</p></section>'
    else:
        name = escape(viewer.username)
        who = (
            f'<p class="who"><span class="face" aria-hidden="true">{escape(viewer.username[:1].upper())}</span>'
            f'<span>Signed in as <strong id="viewer">{name}</strong></span></p>'
        )
        desk = desk_of(draft, entry, draft_length, entry_length)
    alert = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>Guestbook</title>
  <link rel="icon" href="static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="static/guestbook.css">
  <script type="module" src="static/guestbook.js"></script>
</head>
<body>
  <header>
    <h1>Guestbook</h1>
    {who}
  </header>
  <main>
    {alert}
    {desk}
    <section aria-labelledby="entries-title">
      <h2 id="entries-title">In the book <span class="count">{len(entries)}</span></h2>
      {book(entries)}
    </section>
  </main>
</body>
</html>
"""


def desk_of(draft: str, entry: str, draft_length: int, entry_length: int) -> str:
    # A text area drops the first line break; the one written here is that one.
    return f"""<section class="card" aria-labelledby="entry-title">
      <h2 id="entry-title">Sign the book</h2>
      <form method="post" action="entries">
        <label for="entry">Your entry, for everybody here</label>
        <textarea id="entry" name="text" rows="3" maxlength="{entry_length}" required>
{escape(entry)}</textarea>
        <div class="row"><button type="submit">Sign</button>
          <span class="hint">At most {entry_length} characters</span></div>
      </form>
    </section>
    <section class="card" aria-labelledby="draft-title">
      <h2 id="draft-title">Your draft</h2>
      <form method="post" action="draft" data-autosave="api/draft">
        <label for="draft">Only you can see this</label>
        <textarea id="draft" name="text" rows="4" maxlength="{draft_length}">
{escape(draft)}</textarea>
        <div class="row"><button type="submit" class="quiet">Save draft</button>
          <span class="hint" role="status" data-saved></span></div>
      </form>
    </section>"""


def book(entries: list[dict[str, Any]]) -> str:
    if not entries:
        return '<p class="empty">Nobody has signed yet. Be the first.</p>'
    return '<ol class="entries">' + "".join(one_entry(entry) for entry in entries) + "</ol>"


def one_entry(entry: dict[str, Any]) -> str:
    at = datetime.fromisoformat(str(entry["at"]).replace("Z", "+00:00"))
    return (
        f'<li><p class="text">{escape(str(entry["text"]))}</p>'
        f'<p class="by"><strong>{escape(str(entry["by"]))}</strong> · '
        f'<time datetime="{at.isoformat()}">{at:%d %b %Y, %H:%M} UTC</time></p></li>'
    )
