"""The small HTTP server, with WebSockets, that every impersonator stands on."""
