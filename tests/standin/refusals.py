"""How the server reads a path's filters, and the codes and words of its refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MESSAGES = {
    100: "Function not valid",
    102: "No authentication (Please provide API key for all requests other than HTTP GET)",
    103: "Authentication failed",
    107: "Database connection error. Usually due to high server load. Please wait for N seconds and try again. ",
    110: "Please provide data_id",
    111: "Unknown dataset",
    112: "No access granted",
    113: "Could not find data file record",
    151: "Unknown task",
    161: "Please provide description xml",
    163: "Problem validating uploaded description file",
    171: "flow already exists",
    180: "Please provide flow_id",
    181: "Unknown flow",
    201: "Please provide run xml",
    202: "Could not validate run xml by xsd",
    203: "Error reading the run XML",
    204: "Unknown task",
    205: "Unknown flow",
    206: "Invalid file type uploaded",
    209: "Error parsing uploaded file. ",
    213: "Parameter in run xml unknown",
    216: "Error processing output data: illegal combination of evaluation measure attributes (repeat, fold, sample)",
    217: "Error processing output data: unknown evaluation measure",
    235: "Please provide run_id",
    236: "Run not found",
    271: "Unknown dataset",
    280: "Please provide setup_id",
    281: "Unknown setup",
    330: "Mandatory fields not present.",
    361: "Unknown dataset",
    362: "No qualities found",
    363: "Dataset not processed yet",
    370: "Illegal filter specified",
    371: "Input not safe",
    372: "No results",
    373: "Can not specify an offset without a limit",
    392: "Run does not exist",
    393: "Run is not owned by you",
    480: "Illegal filter specified",
    481: "Filter input not according to constraints",
    482: "No results",
    483: "Can not specify an offset without a limit",
    500: "No results",
    501: "Illegal filter operation",
    502: "Illegal filter value",
    503: "Can not specify an offset without a limit",
    510: "Please provide at least task, flow or setup, uploader or run, to filter results. ",
    511: "Input not safe",
    512: "No results",
    513: "Too many results",
    514: "Illegal filter specified",
    515: "Can not specify offset without limit",
    516: "Requested result limit too high. ",
    517: "Problem with the study filter. The study should exists, be run-based and non-legacy",
    540: "Please provide at least task, flow or setup, uploader or run, to filter results. ",
    541: "Input not safe",
    542: "No results",
    543: "Too many results",
    544: "Illegal filter specified",
    545: "Can not specify offset without limit",
    546: "Requested result limit too high. ",
    547: 'Per fold can only be set to value "true" or "false". ',
    548: "Per fold queries are experimental and require a fair amount of filters on resulting run records",
    549: 'If set, sort should be set to either "asc" or "desc"',
    555: "Problem with the study filter. The study should exists, be run-based and non-legacy",
    571: "Run not found.",
    572: "No successful trace associated with this run.",
    581: "Problem with uploading the description file. ",
    584: "Unknown flow. ",
    586: "Parameter in run xml unknown. ",
    596: "Illegal filter specified",
    597: "Filter input not according to constraints",
    598: "Can not specify an offset without a limit",
    599: "No results",
    601: "Unknown study",
    670: "Please provide at least one filter. ",
    671: "Illegal filter specified",
    672: "Filter input not according to constraints",
    673: "Result set too big",
    674: "No results",
    675: "Can not specify an offset without a limit",
    676: "Requested result limit too high. ",
}


class Refusal(Exception):
    """The server says no, with a code."""

    def __init__(self, code: int, more: str = "") -> None:
        super().__init__(f"{code} {MESSAGES[code]}")
        self.code = code
        self.more = more


@dataclass(frozen=True)
class Codes:
    """The errors of one listing: bad filter, bad value, nothing, offset alone, limit, too many."""

    filter: int
    value: int
    nothing: int
    offset: int
    limit: int = 0
    many: int = 0
    unfiltered: int = 0


DATA = Codes(370, 371, 372, 373)
TASK = Codes(480, 481, 482, 483)
FLOW = Codes(501, 502, 500, 503)
STUDY = Codes(596, 597, 599, 598)
RUN = Codes(514, 511, 512, 515, 516, 513, 510)
EVALUATION = Codes(544, 541, 542, 545, 546, 543, 540)
SETUP = Codes(671, 672, 674, 675, 676, 673, 670)


@dataclass(frozen=True)
class Filters:
    """The pairs of a path, checked: lists of integers, and texts."""

    numbers: dict[str, list[int]]
    texts: dict[str, str]

    @classmethod
    def read(cls, path: Sequence[str], codes: Codes, numbers: str, texts: str) -> Filters:
        """Check names and values as the server does."""
        pairs = dict(zip(path[::2], path[1::2], strict=False))
        legal = f"{numbers} {texts} limit offset".split()
        illegal = [name for name in path[::2] if name not in legal]
        if illegal or len(path) % 2:
            raise Refusal(codes.filter, f"Found illegal filter(s): {', '.join(illegal)}")
        found: dict[str, list[int]] = {}
        for name, value in pairs.items():
            if name in texts.split():
                continue
            if not all(part.isdigit() for part in value.split(",")):
                raise Refusal(codes.value, f"Filters with illegal values: {name}")
            found[name] = [int(part) for part in value.split(",")]
        if found.get("offset", [0])[0] and "limit" not in found:
            raise Refusal(codes.offset)
        return cls(found, {n: v for n, v in pairs.items() if n in texts.split()})

    @property
    def limit(self) -> int | None:
        """Rows wanted."""
        return self.numbers["limit"][0] if "limit" in self.numbers else None

    @property
    def offset(self) -> int:
        """Rows to leave out first."""
        return self.numbers.get("offset", [0])[0]

    def page(self, n: int) -> slice:
        """The rows of this page among n."""
        return slice(self.offset, n if self.limit is None else self.offset + self.limit)

    def key(self) -> tuple[Any, ...]:
        """What decides which rows match, wherever the page."""
        numbers = {n: v for n, v in self.numbers.items() if n not in ("limit", "offset")}
        return (json.dumps(numbers, sort_keys=True), json.dumps(self.texts, sort_keys=True))
