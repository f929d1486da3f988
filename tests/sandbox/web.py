"""One HTTP client for the tests that speak to the stand-ins: making one takes longer than most requests."""

import httpx

web = httpx.Client(
    timeout=30, trust_env=False
)  # thread-safe; keeps no connection open: the stand-ins close theirs
