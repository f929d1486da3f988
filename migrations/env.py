"""Alembic's entry: it works on the connection it is given."""

from alembic import context
from sqlmodel import SQLModel

from migrations.tables import every_table

every_table()
connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
