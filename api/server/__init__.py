"""The HTTP server; `api.server.app.create_app` makes it, importing this package imports nothing."""
