"""The tests; a package of their own, as some packages install one called tests too."""
