"""Markup whose text is escaped unless it is markup already."""

from html import escape

_VOID = ("br", "img", "meta")


class Html(str):
    """Markup: it is not escaped again."""

    __slots__ = ()


def element(tag, /, *children, **attributes):
    """One element.

    Args:
        tag: Its name.
        *children: Strings, which are escaped, `Html`, which is not, lists of these, or None, which is left out.
        **attributes: Their values are escaped; None leaves one out; `class_` is `class` and `aria_label`
            `aria-label`.

    Returns:
        Html

    Example:

    >>> element("td", "a < b", class_="number")
    '<td class="number">a &lt; b</td>'
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    opening = "".join([f"<{tag}", *(f' {key}="{escape(str(value))}"' for key, value in given.items()), ">"])
    return Html(opening if tag in _VOID else f"{opening}{join(*children)}</{tag}>")


def join(*children):
    """Children one behind the other, as `element` takes them."""
    parts = []
    for child in children:
        if isinstance(child, list | tuple):
            parts.append(join(*child))
        elif child is not None:
            parts.append(child if isinstance(child, Html) else escape(str(child)))
    return Html("".join(parts))


def table(caption, header, rows, numeric=(), class_=None):
    """A table in a box of its own, which scrolls where it is wider than the page.

    Args:
        caption: What it shows.
        header: Names of the columns.
        rows: Lists of cells; the first of each is the row's heading.
        numeric: Places of the columns that hold figures.
        class_: Further class of the box.

    Returns:
        Html
    """

    def kind(place):
        return "number" if place in numeric else None

    head = [element("th", name, scope="col", class_=kind(place)) for place, name in enumerate(header)]
    body = [
        element(
            "tr",
            element("th", row[0], scope="row", class_=kind(0)),
            [element("td", cell, class_=kind(place)) for place, cell in enumerate(row[1:], start=1)],
        )
        for row in rows
    ]
    return scrolling_table(caption, head, body, class_)


def scrolling_table(caption, head, body, class_=None):
    """A table of ready rows in a box that scrolls, by keyboard as well; its caption stays in place above."""
    whole = element("table", element("thead", element("tr", head)), element("tbody", body), aria_label=caption)
    classes = "scroll" if class_ is None else f"scroll {class_}"
    box = element("div", whole, class_=classes, role="region", aria_label=caption, tabindex="0")
    return join(element("p", caption, class_="caption"), box)


def section(title, *children, id_=None):
    """A section with its heading; without contents, nothing."""
    content = join(*children)
    return element("section", element("h2", title), content, id_=id_) if content else Html("")


def code(text):
    """Lines to copy."""
    return element("pre", element("code", text), tabindex="0")
