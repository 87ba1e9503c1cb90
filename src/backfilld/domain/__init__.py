"""What is true without any I/O: no asyncio, no SQL, no HTTP."""
