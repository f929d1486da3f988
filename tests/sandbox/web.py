"""One HTTP client for all tests here: making one takes longer than most requests."""

import httpx

web = httpx.Client(timeout=10)  # thread-safe; keeps no connection open, since the stand-ins close theirs
