"""The server: settings, authentication, routing, rendering. Knows nothing of simulators."""
