"""The same service without threads: `uvicorn app.main_async:app`. It has the routes that show the difference."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, status
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.deps import CurrentUser, Writer, auth
from app.models import Item
from app.schemas import ItemOut, NewItem
from app.settings import settings
from vestibule.service import AppLifecycle, create_async_app, create_async_db_engine

engine = create_async_db_engine(settings)
DbSession = Annotated[AsyncSession, Depends(engine.session_dep)]

router = APIRouter(prefix=settings.API_PREFIX, tags=["items"])


@router.get("/", response_model=list[ItemOut])
async def list_items(user: CurrentUser, session: DbSession) -> Sequence[Item]:
    """The caller's own, newest first."""
    mine = select(Item).where(Item.owner_id == user.id).order_by(Item.created_at.desc(), Item.id).limit(100)
    return (await session.scalars(mine)).all()


@router.post("/", response_model=ItemOut, status_code=status.HTTP_201_CREATED)
async def create_item(new: NewItem, user: Writer, session: DbSession) -> Item:
    """Keeps an item for the caller."""
    item = Item(owner_id=user.id, title=new.title, note=new.note)
    session.add(item)
    await session.commit()
    return item


app = create_async_app(
    settings,
    router,
    service_name="Items",
    lifecycle=AppLifecycle(auth_deps=auth, db_engine=engine),
)
