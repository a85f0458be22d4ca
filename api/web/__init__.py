"""The web page: what the server knows, for people with a browser; `api.web.pages.pages` adds it."""
