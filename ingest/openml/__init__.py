"""OpenML over the network: asked page by page, kept as it was answered, and read into rows."""
