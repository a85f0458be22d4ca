"""Every error metadb raises on purpose; catch `MetadbError` to catch the house."""

from __future__ import annotations


class MetadbError(Exception):
    """The root of all errors a caller can act on; its text is one clear sentence."""


class NotFound(MetadbError):
    """A task, space, source, recommender, column or file that is not there."""


class MalformedFile(MetadbError):
    """A file that cannot be read as what it claims to be."""


class InvalidRows(MetadbError):
    """Rows that do not have the shape of their table: a missing column, a wrong type."""


class InvalidConfig(MetadbError):
    """A configuration outside its space."""


class InvalidSpace(MetadbError):
    """A space that cannot be read."""


class InvalidMetric(MetadbError):
    """A metric whose direction is unknown or contradicts what the store holds."""


class QueryRefused(MetadbError):
    """An SQL statement that the store does not run: it fails, or it would write."""


class LimitReached(QueryRefused):
    """An SQL statement that took more time or memory than it may."""


class NewerSchema(MetadbError):
    """A store written by a newer metadb than this one."""


class NotAStore(MetadbError):
    """A folder that holds no metadb store, or a path that cannot hold one."""


class WrongUsage(MetadbError):
    """A command whose words do not fit together."""


class Unreachable(MetadbError):
    """A server that is not there, does not answer, or is not what it should be."""


class DiskFull(MetadbError):
    """There is no room to write; what was written before stays."""


class Busy(MetadbError):
    """Something that another process is at; wait for it."""


class Diverged(MetadbError):
    """A training whose loss left the finite numbers; what was learnt before stays."""
