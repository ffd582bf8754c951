"""The app that uvicorn serves: `uvicorn app.main:app`."""

from app.deps import auth, engine
from app.items import router
from app.settings import settings
from vestibule.service import AppLifecycle, create_app

app = create_app(
    settings,
    router,
    service_name="Items",
    service_version="1.0.0",
    lifecycle=AppLifecycle(auth_deps=auth, db_engine=engine),
)
