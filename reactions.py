"""When this happens, do that: the whole programme on a page. Each reaction runs in the transaction of its event."""


def wire() -> None:
    """Register every reaction and every metric; doing it twice changes nothing."""
