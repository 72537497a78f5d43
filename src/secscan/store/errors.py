"""What a caller may have to tell the operator about the store."""


class StoreError(Exception):
    """The store can't do what was asked. The message says what was found, what was expected and what to do."""
