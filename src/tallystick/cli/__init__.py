"""The command line: where the server and the sandbox are put together."""
