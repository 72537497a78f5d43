"""What can be wrong with data that an operator brings, in his words."""


class FeedError(ValueError):
    """A file can't be taken in. The message says which, where in it, what was found and what to do."""

    def __init__(self, file: str, place: str, message: str) -> None:
        super().__init__(f"{file}: {place}: {message}" if place else f"{file}: {message}")
        self.file = file
        self.place = place
        self.message = message
