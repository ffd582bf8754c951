"""How alembic reaches the database: by the engine of the service itself, so that there is one set of settings."""

from logging.config import fileConfig

from alembic import context

from app.deps import engine
from app.models import Base

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)

if context.is_offline_mode():
    raise SystemExit("migrations of this service run against its database; leave --sql out")

with engine.engine.connect() as connection:
    # SQLite cannot change a column in place: alembic then makes the table anew.
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
