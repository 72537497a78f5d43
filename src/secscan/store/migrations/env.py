"""How Alembic reaches the database: through the connection it is handed, in the transaction already open."""

from alembic import context

from secscan.store.tables import Stored

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Stored.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
