"""What goes wrong with a notice."""


class NotDeliveredError(Exception):
    """A notice was not delivered, or nothing says that it was. The message names no host and no address.

    Args:
        message: Why, in one clause.
        retry_after: The header `Retry-After` of the response, if there was one.
    """

    def __init__(self, message: str, retry_after: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
