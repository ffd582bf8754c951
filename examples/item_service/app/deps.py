"""What routes depend on: who is calling, and a session with the database.

Both are made once a process. The names are annotations, so a route says what it needs in its signature, and type
checkers know what it gets.
"""

from typing import Annotated

from fastapi import Depends
from sqlalchemy.orm import Session

from app.settings import settings
from vestibule.service import User, build_auth_deps, create_db_engine

auth = build_auth_deps(settings)
engine = create_db_engine(settings)

CurrentUser = Annotated[User, Depends(auth.get_current_user)]
Writer = Annotated[User, Depends(auth.get_current_writer)]
Admin = Annotated[User, Depends(auth.get_current_active_admin)]
Superuser = Annotated[User, Depends(auth.get_current_active_superuser)]

DbSession = Annotated[Session, Depends(engine.session_dep)]
