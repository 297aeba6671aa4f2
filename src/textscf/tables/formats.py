"""Formats of a readable table: Markdown, LaTeX, and HTML as a fragment or a self-contained page."""

import html
import re
from collections.abc import Callable, Sequence
from itertools import groupby, islice, repeat

from textscf.tables.display import NOT_RUN, UNDEFINED, Cell, Column, Display

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "±": r"$\pm$",
    "−": "$-$",
    "†": r"$^{\dagger}$",
    "§": r"\S{}",
    "¶": r"\P{}",
    "≤": r"$\leq$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "∞": r"$\infty$",
}
_ONE_LINE = 60
"""Number of characters up to which cells stay on one line; columns with a longer cell are wrapped."""
_LONG = ' class="text long"'
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
figure { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid #222; border-bottom: 2px solid #222; margin: 1rem 0; }
th, td { padding: .3rem .7rem; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
th { font-weight: 600; }
thead { border-bottom: 1px solid #222; }
thead th { vertical-align: bottom; }
th[data-column="0"], tbody th, .text { text-align: left; }
tbody th { font-weight: inherit; }
th[colspan] { text-align: center; border-bottom: 1px solid #999; }
tbody tr:hover { background: #eef4fa; }
.block th { font-weight: 600; border-top: 1px solid #222; }
.long { white-space: normal; min-width: 14rem; }
p.note { margin: .2rem 0; font-size: 13px; color: #444; }
"""


def to_markdown(table: Display) -> str:
    """The table in Markdown, with the caption above and the footnotes below."""
    headings = [_markdown(": ".join(filter(None, (c.heading, c.subheading)))) for c in table.columns]
    rules = [":--" if _is_text(column) else "--:" for column in table.columns]
    body = []
    for heading, rows in _blocks(table):
        body += [[f"**{_markdown(heading)}**", *[""] * (len(headings) - 1)]] if heading else []
        body += [[_marked(cell, "**{}**", _markdown) for cell in row] for row in rows]
    lines = [f"| {' | '.join(cells)} |" for cells in (headings, rules, *body)]
    notes = [f"{_markdown(note)}\n" for note in table.notes]
    return "\n".join([f"**{table.title}.** {table.caption}\n", *lines, "", *notes])


def to_latex(table: Display) -> str:
    """The table in LaTeX, as a `table*` float with booktabs rules."""
    alignment = "".join("l" if _is_text(column) else "r" for column in table.columns)
    body = []
    for heading, rows in _blocks(table):
        title = rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\textit{{{_latex(heading)}}}}} \\"
        body += [r"\midrule", title] if heading else []
        body += [" & ".join(_marked(cell, r"\textbf{{{}}}", _latex) for cell in row) + r" \\" for row in rows]
    notes = [rf"\par\smallskip\noindent {_latex(note)}" for note in table.notes]
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table*}",
        r"\centering",
        rf"\caption{{{_latex(table.caption)}}}",
        rf"\label{{tab:{table.label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        *_latex_header(table.columns),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        *([r"\par\raggedright\footnotesize", *notes] if notes else []),
        r"\end{table*}",
    ]
    return "\n".join(lines) + "\n"


def to_html(table: Display) -> str:
    """A self-contained HTML page with the table."""
    title = html.escape(table.title)
    lines = [
        "<!DOCTYPE html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>',
        f"<body>\n{to_fragment(table)}</body></html>",
    ]
    return "\n".join(lines) + "\n"


def to_fragment(table: Display, targets: Sequence[str | None] = ()) -> str:
    """Caption, table and footnotes as HTML for a page; `data-column` of a column's heading is the column number.

    Args:
        table: the table.
        targets: for each row the page to which its name links, or None; none of the names link without it.
    """
    title, caption = html.escape(table.title), html.escape(table.caption)
    columns = [_html_cells(number, column, () if number else targets) for number, column in enumerate(table.columns)]
    cells = zip(*columns, strict=True)
    bodies = []
    for heading, rows in _blocks(table):
        wide = f'<tr class="block"><th colspan="{len(columns)}" scope="rowgroup">{html.escape(heading)}</th></tr>'
        lines = [f"<tr>{''.join(row)}</tr>" for row in islice(cells, len(rows))]
        bodies.append(f"<tbody>{wide if heading else ''}{''.join(lines)}</tbody>")
    lines = [
        f'<figure class="table"><figcaption><b>{title}.</b> {caption}</figcaption>',
        f'<div class="scroll" role="region" tabindex="0" aria-label="{title}"><table>',
        f"<thead>{_html_header(table.columns)}</thead>",
        f"{''.join(bodies)}</table></div>",
        *(f'<p class="note">{html.escape(note)}</p>' for note in table.notes),
        "</figure>",
    ]
    return "\n".join(lines) + "\n"


def _html_cells(number: int, column: Column, targets: Sequence[str | None]) -> list[str]:
    opening = f"<td{_text_class(column)}>" if number else f'<th scope="row"{_LONG if _is_long(column) else ""}>'
    closing = "</td>" if number else "</th>"
    texts = [_marked(cell, "<b>{}</b>", html.escape) for cell in column.cells]
    linked = [
        f'<a href="{html.escape(target)}">{text}</a>' if target else text
        for text, target in zip(texts, targets or repeat(None), strict=bool(targets))
    ]
    return [f"{opening}{text}{closing}" for text in linked]


def _text_class(column: Column) -> str:
    """Class attribute of a column's cells: words are aligned left, and long texts are wrapped."""
    if _is_long(column):
        return _LONG
    return ' class="text"' if _is_text(column) else ""


def _first_order(column: Column) -> str:
    """Attribute of a column whose largest value is its best: a page sorts it by that first."""
    return ' data-first="descending"' if column.heading.endswith("↑") else ""


def _is_text(column: Column) -> bool:
    """Whether any cell of a column is not a number."""
    words = [cell.text for cell in column.cells if cell.text not in ("", UNDEFINED, NOT_RUN)]
    return not all(re.match(r"[<+−-]?[\d∞]", word) for word in words)


def _is_long(column: Column) -> bool:
    return any(len(cell.text) > _ONE_LINE for cell in column.cells)


def _rows(table: Display) -> list[tuple[Cell, ...]]:
    return list(zip(*(column.cells for column in table.columns), strict=True))


def _blocks(table: Display) -> list[tuple[str, list[tuple[Cell, ...]]]]:
    """Rows by block, each with its heading; those without a heading are the table's own."""
    rows = _rows(table)
    headed = zip(table.blocks or [""] * len(rows), rows, strict=True)
    return [(heading, [row for _, row in group]) for heading, group in groupby(headed, key=lambda pair: pair[0])]


def _groups(columns: list[Column]) -> list[tuple[str, int]]:
    """Headings with the number of columns that each spans."""
    return [(heading, len(list(group))) for heading, group in groupby(columns, key=lambda column: column.heading)]


def _marked(cell: Cell, bold: str, escape: Callable[[str], str]) -> str:
    text = escape(cell.text)
    return bold.format(text) if cell.bold and text else text


def _markdown(text: str) -> str:
    return re.sub(r"([\\|*_<])", r"\\\1", text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_header(columns: list[Column]) -> list[str]:
    cells, rules, start = [], [], 1
    for heading, span in _groups(columns):
        cells.append(rf"\multicolumn{{{span}}}{{c}}{{{_latex(heading)}}}" if span > 1 else _latex(heading))
        if span > 1:
            rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    lines = [" & ".join(cells) + r" \\"]
    if rules:
        lines += [" ".join(rules), " & ".join(_latex(column.subheading) for column in columns) + r" \\"]
    return lines


def _html_header(columns: list[Column]) -> str:
    groups = _groups(columns)
    attributes = [
        f'scope="col" data-column="{n}"{_text_class(column)}{_first_order(column)}' for n, column in enumerate(columns)
    ]
    height = 2 if any(span > 1 for _, span in groups) else 1
    upper, lower, column = [], [], 0
    for heading, span in groups:
        text = html.escape(heading)
        if span == 1:
            upper.append(f'<th {attributes[column]} rowspan="{height}">{text}</th>')
        else:
            upper.append(f'<th scope="colgroup" colspan="{span}">{text}</th>')
            lower += [
                f"<th {attributes[number]}>{html.escape(columns[number].subheading)}</th>"
                for number in range(column, column + span)
            ]
        column += span
    return "".join(f"<tr>{''.join(row)}</tr>" for row in (upper, lower) if row)
