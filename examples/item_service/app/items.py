"""The routes: who may do what with items.

| Who | May |
| --- | --- |
| anybody | see how many there are |
| anybody signed in | read items of their own |
| `writer` and above | keep and change items of their own |
| `admin` and above | read and delete everybody's |
| `superadmin` | forget an account |
"""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, status
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.deps import Admin, CurrentUser, DbSession, Superuser, Writer
from app.models import Item
from app.schemas import Count, ItemChange, ItemOut, NewItem, PageQuery
from app.settings import settings
from vestibule.service import Role, User, public

router = APIRouter(prefix=settings.API_PREFIX, tags=["items"])

Page = Annotated[PageQuery, Query()]


@router.get("/count")
@public
def count_items(session: DbSession) -> Count:
    """How many items there are; everybody may know."""
    return Count(items=session.scalar(select(func.count(Item.id))) or 0)


@router.get("/", response_model=list[ItemOut])
def list_items(user: CurrentUser, session: DbSession, page: Page) -> Sequence[Item]:
    """The caller's own, newest first."""
    mine = select(Item).where(Item.owner_id == user.id).order_by(Item.created_at.desc(), Item.id)
    return session.scalars(mine.limit(page.limit).offset(page.offset)).all()


@router.get("/{item_id}", response_model=ItemOut)
def read_item(item_id: UUID, user: CurrentUser, session: DbSession) -> Item:
    """One of the caller's own; administrators see everybody's."""
    return _visible(session, item_id, user)


@router.post("/", response_model=ItemOut, status_code=status.HTTP_201_CREATED)
def create_item(new: NewItem, user: Writer, session: DbSession) -> Item:
    """Keeps an item for the caller."""
    kept = session.scalar(select(func.count(Item.id)).where(Item.owner_id == user.id)) or 0
    if kept >= settings.ITEMS_PER_ACCOUNT:
        raise HTTPException(status.HTTP_409_CONFLICT, f"An account may keep {settings.ITEMS_PER_ACCOUNT} items")
    item = Item(owner_id=user.id, title=new.title, note=new.note)
    session.add(item)
    session.commit()
    return item


@router.patch("/{item_id}", response_model=ItemOut)
def change_item(item_id: UUID, change: ItemChange, user: Writer, session: DbSession) -> Item:
    """Changes one of the caller's own."""
    item = _visible(session, item_id, user)
    if item.owner_id != user.id:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Only its owner changes an item")
    if change.title is not None:
        item.title = change.title
    if change.note is not None:
        item.note = change.note
    session.commit()
    return item


@router.delete("/{item_id}", status_code=status.HTTP_204_NO_CONTENT)
def delete_item(item_id: UUID, user: Admin, session: DbSession) -> None:
    """Deletes anybody's item."""
    session.delete(_visible(session, item_id, user))
    session.commit()


@router.delete("/of/{owner_id}")
def forget_owner(owner_id: UUID, _: Superuser, session: DbSession) -> Count:
    """Deletes all that an account kept here, for example because it was deleted at the issuer."""
    gone = session.scalars(select(Item.id).where(Item.owner_id == owner_id)).all()
    session.execute(delete(Item).where(Item.owner_id == owner_id))
    session.commit()
    return Count(items=len(gone))


def _visible(session: Session, item_id: UUID, user: User) -> Item:
    """The item, where the caller may know of it; else it is as if it was not there."""
    item = session.get(Item, item_id)
    if item is None or (item.owner_id != user.id and not user.has_role(Role.ADMIN)):
        raise HTTPException(status.HTTP_404_NOT_FOUND, "No such item")
    return item
