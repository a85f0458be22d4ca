"""Every door a user comes through; importing this package imports nothing."""
