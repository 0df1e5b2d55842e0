"""Tables of agreements: CSV, XLSX or JSON Lines, one agreement a row, every mistake with its line and column.

A CSV file has commas or semicolons, is UTF-8 with or without byte order mark, and may break lines in quotes.
Cells stay the text that is written: leading zeros and dates are kept. A row of JSON Lines is an agreement as
in an agreement file.
"""

from countersign.client.tables.cells import delimiter_of
from countersign.client.tables.columns import HEADER
from countersign.client.tables.mistakes import Mistake, UnusableTableError
from countersign.client.tables.rows import Adapt, Row, as_written, check_table

__all__ = [
    "HEADER",
    "Adapt",
    "Mistake",
    "Row",
    "UnusableTableError",
    "as_written",
    "check_table",
    "delimiter_of",
]
