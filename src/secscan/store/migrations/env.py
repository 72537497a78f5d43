"""How Alembic reaches the database: through the connection it is handed, in the transaction already open."""

from alembic import context

from secscan.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
