"""The Python SDK: `Client` and `AsyncClient`. It needs httpx2 and msgspec, nothing else.

A resource's operations are in `api/<resource>/sdk.py`; here is what all of them share: the two
clients, the token, retries, deadlines, errors, pages and logging.
"""
