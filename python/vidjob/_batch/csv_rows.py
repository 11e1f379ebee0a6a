"""Reads CSV files strictly: an ambiguous line is refused with its number, not guessed at."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from vidjob._batch.column_names import check_names
from vidjob._batch.file_row import FileRow
from vidjob._errors import InvalidRequest
from vidjob._json_values import quote_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

__all__ = ["rows_of_csv"]

_DELIMITERS = ",;\t|"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
#: Excel's line that names the delimiter.
_SEP = re.compile(r"sep=(.)(?:\r\n|\r|\n|$)", re.IGNORECASE)
_QUOTED = re.compile(r' *"([^"]*(?:""[^"]*)*)" *')
_OPENED = re.compile(r' *"')
_LINE_END = re.compile(r"\r\n|\r|\n")
#: A quote after a digit means inches.
_INCHES = re.compile(r'\d"')
#: In this order: the byte order mark of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class _Line(NamedTuple):
    """One row of cells, or the reason why it cannot be read."""

    number: int
    cells: list[str]
    fault: str = ""


def rows_of_csv(path: Path, known: Collection[str], passed: Collection[str] = ()) -> Iterator[FileRow | InvalidRequest]:
    """Yields the rows of a file; for a wrong row, it yields the error.

    Empty cells and empty rows are left out.

    Args:
        path: The file: UTF-8, or UTF-16 with a byte order mark.
        known: The names of fields. They identify the delimiter, and match headers in any case and with surrounding
            blanks.
        passed: Columns that are not fields, even if their names look like misspelt ones.

    Raises:
        InvalidRequest: The file is not text, or its header is wrong.
    """
    text = _text_of(path)
    lines, header = _lines_and_header(text, known)
    if header is None:
        return
    names = _names(path, header, known, passed)
    columns = tuple(filter(None, names))
    for line in lines:
        place = f"{path}, line {line.number}"
        fault = line.fault or _fault_of(line, header, names)
        if fault:
            yield InvalidRequest(f"{place}: {fault}", field="requests")
        elif any(map(_has_content, line.cells)):
            yield FileRow(_cells(line, header, names), place, columns)


def _has_content(cell: str) -> bool:
    return bool(cell.strip())


def _cells(line: _Line, header: _Line, names: list[str]) -> dict[str, Any]:
    cells = {}
    for name, title, cell in zip(names, header.cells, line.cells, strict=False):
        if _has_content(cell):
            # A header with blanks around its name has cells with blanks.
            cells[name] = cell if title == title.strip() else cell.strip()
    return cells


# ---- text -------------------------------------------------------------------------------------


def _text_of(path: Path) -> str:
    data = path.read_bytes()
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = (
            f"{path} cannot be read: byte {error.start} (line {line}) is not {encoding.removesuffix('-sig').upper()}"
        )
        raise InvalidRequest(f"{message}; save the file as UTF-8", field="requests") from None
    nul = text.find("\0")
    if nul >= 0:
        line = _count_lines(text[:nul]) + 1
        message = f"{path} cannot be read: line {line} holds a NUL character; save the file as UTF-8 text"
        raise InvalidRequest(message, field="requests")
    return text


def _count_lines(text: str) -> int:
    return len(_LINE_END.findall(text))


# ---- lines ------------------------------------------------------------------------------------


def _lines_and_header(text: str, known: Collection[str]) -> tuple[Iterator[_Line], _Line | None]:
    directive = _SEP.match(text)
    if directive:
        lines = _lines(text, directive[1], directive.end())
        return lines, _header(lines)
    tried = [(_header(_lines(text, delimiter)), delimiter) for delimiter in _DELIMITERS]
    _, delimiter = max(tried, key=lambda each: _knowns(each[0], known))
    lines = _lines(text, delimiter)
    return lines, _header(lines)


def _header(lines: Iterator[_Line]) -> _Line | None:
    return next((line for line in lines if line.fault or any(map(_has_content, line.cells))), None)


def _knowns(header: _Line | None, known: Collection[str]) -> tuple[int, int]:
    """Rates a header by its known fields, then by its columns."""
    cells = [] if header is None else header.cells
    return sum(cell.strip().lower() in known for cell in cells), len(cells)


def _lines(text: str, delimiter: str, at: int = 0) -> Iterator[_Line]:
    """Yields the rows of a text. After an error it continues with the next line, whatever quotes are open."""
    bare = re.compile(rf"[^{re.escape(delimiter)}\r\n]*")
    number = _count_lines(text[:at]) + 1
    while at < len(text):
        cells, end, fault = _row(text, at, delimiter, bare)
        if fault:
            ends = _LINE_END.search(text, at)
            end = len(text) if ends is None else ends.end()
        yield _Line(number, cells, fault)
        number += _count_lines(text[at:end])
        at = end


def _row(text: str, at: int, delimiter: str, bare: re.Pattern[str]) -> tuple[list[str], int, str]:
    """Returns the cells of the row at a position, its end, and a fault, if there is one."""
    cells: list[str] = []
    fault = ""
    while True:
        quoted = _QUOTED.match(text, at)
        if quoted:
            cells.append(quoted[1].replace('""', '"'))
            at = quoted.end()
        elif _OPENED.match(text, at):
            return cells, at, "a quote is never closed"
        else:
            cell = bare.match(text, at)
            assert cell is not None  # noqa: S101 - the pattern matches an empty text
            cells.append(cell[0])
            at = cell.end()
            if '"' in cell[0] and _INCHES.sub("", cell[0]).count('"') % 2:
                fault = "a cell without quotes around it has a single quote; double it, and put the cell into quotes"
        end = _LINE_END.match(text, at)
        if end or at == len(text):
            return cells, end.end() if end else at, fault
        if text[at] != delimiter:
            return (
                cells,
                at,
                f"{quote_value(text[at : at + 20])} follows a closing quote; double the quotes inside a cell",
            )
        at += 1


def _fault_of(line: _Line, header: _Line, names: list[str]) -> str:
    """Returns why the cells do not match the header, if they do not."""
    count, expected = len(line.cells), len(header.cells)
    if not any(map(_has_content, line.cells)):
        return ""
    if count > expected:
        hint = "put cells that contain the delimiter into quotes"
        return f"the row has {count} cells and the header {expected}; {hint}"
    if count < expected and any(_LINE_END.search(cell) for cell in line.cells):
        return f"the row has {count} cells, one of several lines, and the header {expected}; is a quote never closed?"
    # pandas writes its index as a first column without a name.
    nameless = [number for number, name in enumerate(names) if number and not name]
    if any(number < count and _has_content(line.cells[number]) for number in nameless):
        return "a cell has no column name; put cells that contain the delimiter into quotes"
    return ""


# ---- header -----------------------------------------------------------------------------------


def _names(path: Path, header: _Line, known: Collection[str], passed: Collection[str]) -> list[str]:
    """Returns the names of the columns."""
    place = f"{path}, line {header.number}"
    if header.fault:
        raise InvalidRequest(f"{place}: the header cannot be read: {header.fault}", field="requests")
    names: list[str] = []
    for title in header.cells:
        bare = title.strip()
        names.append(bare.lower() if bare.lower() in known else bare)
    for number, name in enumerate(names):
        if name and name in names[:number]:
            one, other = header.cells[names.index(name)], header.cells[number]
            message = f"the columns {quote_value(one)} and {quote_value(other)} have the same name; rename one of them"
            raise InvalidRequest(f"{place}: {message}", field=name)
    try:
        check_names(filter(None, names), passed)
    except InvalidRequest as error:
        raise InvalidRequest(f"{place}: {error}", field=error.field) from None
    return names
