"""Hooks into other tuners, one file each; importing this package imports nothing."""
