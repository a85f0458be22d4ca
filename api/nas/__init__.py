"""`metadb nas`: neural architecture search, from the command line."""
