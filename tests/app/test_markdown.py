"""Every text that Streamlit reads as Markdown is our own, or has gone through `plain`; every figure through `show`."""

from __future__ import annotations

import ast
from pathlib import Path

import plotly.graph_objects as go
import pytest

from app.charts import as_written
from app.markdown import plain
from tests import hostile
from tests.parsed import in_every, nodes_of, tree_of

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "app").rglob("*.py")), *sorted((ROOT / "pages").glob("*.py")), ROOT / "streamlit_app.py"]

# Method -> the places of its arguments that are Markdown; those named in NAMED are it everywhere.
FIRST = (
    *("title", "header", "subheader", "caption", "markdown", "info", "warning", "error", "success", "toast"),
    *("button", "download_button", "link_button", "form_submit_button", "popover", "expander", "toggle", "checkbox"),
    *("selectbox", "multiselect", "slider", "number_input", "text_input", "text_area", "file_uploader", "color_picker"),
    *("date_input", "time_input", "spinner", "status", "badge", "tabs", "dialog"),
)
MARKDOWN = {
    **dict.fromkeys(FIRST, (0,)),
    "write": tuple(range(9)),
    "progress": (1,),
    "metric": (0, 1, 2),
    "radio": (0, 1),
    "pills": (0, 1),
    "segmented_control": (0, 1),
    "select_slider": (0, 1),
    "image": (1,),
    "page_link": (),
}
NAMED = {"help", "label", "text", "caption", "body", "options"}
PLAIN_OPTIONS = {"selectbox", "multiselect"}  # of these Streamlit shows the options as they are
NUMBERS = {"count", "percent", "points", "signed", "interval", "density", "duration", "size"}  # of app/terms.py
FIGURES = {"title_of", "value", "interval", "difference", "unit"}  # of app/tasks.py
OURS = {"plain", "term", "len"}  # functions whose result is our own text, escaped, or a number


def is_ours(node: ast.AST, ours: set[str]) -> bool:
    """Whether a text is made of literals, constants, numbers and what `plain` made; `ours`: such local names."""
    match node:
        case ast.Constant():
            return True
        case ast.JoinedStr(values=nodes):
            return all(is_ours(inner, ours) for inner in nodes)
        case ast.FormattedValue(value=value, format_spec=spec):
            numeric = spec is not None and ast.unparse(spec).rstrip("'\"")[-1] in ",dfeg%"
            return numeric or is_ours(value, ours)
        case ast.BinOp(left=left, right=right):
            return is_ours(left, ours) and is_ours(right, ours)
        case ast.IfExp(body=body, orelse=other):
            return is_ours(body, ours) and is_ours(other, ours)
        case ast.List(elts=nodes) | ast.Tuple(elts=nodes):
            return all(is_ours(inner, ours) for inner in nodes)
        case ast.GeneratorExp(elt=inner):
            return is_ours(inner, ours)
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[nodes]):
            return is_ours(nodes, ours)
        case ast.Call(func=ast.Name(id=name)):
            return name in OURS
        case ast.Call(func=ast.Attribute(value=ast.Name(id="terms"), attr=name)):
            return name in NUMBERS
        case ast.Call(func=ast.Attribute(value=ast.Name(id="tasks"), attr=name)):
            return name in FIGURES
        case ast.Call(func=ast.Attribute(value=ast.Name(id="panels"), attr=name)):
            return name in OURS
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_").isupper() or name in ours
        case ast.Subscript(value=value):
            return is_ours(value, ours)
    return False


def foreign_texts(tree: ast.AST) -> list[str]:
    """The arguments that Streamlit would read as Markdown and that are not surely ours, as `line: code`."""
    rows = []
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        places = MARKDOWN.get(call.func.attr, ())
        if "format_func" in named and ast.unparse(named["format_func"]) == "plain":
            places, named = places[:1], {name: value for name, value in named.items() if name != "options"}
        if call.func.attr in PLAIN_OPTIONS:
            named.pop("options", None)
        texts = [call.args[place] for place in places if place < len(call.args)]
        texts += [named[name] for name in NAMED & set(named)] if call.func.attr in MARKDOWN or "help" in named else []
        rows += [f"{text.lineno}: {ast.unparse(text)}" for text in texts if not is_ours(text, set())]
    return rows


@in_every(FILES)
def test_texts_that_are_read_as_markdown_are_ours_or_plain(path):
    assert foreign_texts(tree_of(path)) == []


@in_every(FILES)
def test_what_reads_texts_in_other_ways_has_one_door(path):
    attributes = [node for node in nodes_of(path) if isinstance(node, ast.Attribute)]
    called = {node.attr for node in attributes if ast.unparse(node).startswith("st.")}
    assert not called & {"table", "latex", "exception", "iframe"}
    assert "unsafe_allow_html" not in path.read_text("utf-8")
    assert "plotly_chart" not in called or path.name == "charts.py"


@pytest.mark.parametrize(
    "code",
    [
        "st.title(name)",
        "st.title(f'{name} is done')",
        "place.caption('Run ' + name)",
        "st.markdown('\\n'.join(f'- {name}' for name in names))",
        "st.button('Go', help=f'for {name}')",
        "bar.progress(0.5, name)",
        "st.pills('Ticket', names)",
        "st.image(x, caption=name)",
        "st.page_link(page, label=name)",
        "st.error(f'{error}.')",
    ],
)
def test_a_name_that_is_not_plain_is_seen(code):
    assert foreign_texts(ast.parse(code)) != []


@pytest.mark.parametrize(
    "code",
    [
        "st.title('Done')",
        "st.title(plain(name))",
        "st.title(f'{n:,} tickets, {len(names)} names, {terms.percent(share)}, **{plain(name)}**')",
        "st.markdown('\\n'.join(f'- {plain(name)}' for name in names))",
        "st.pills('Ticket', names, format_func=plain)",
        "st.selectbox('Ticket', names)",
    ],
)
def test_texts_of_our_own_pass(code):
    assert foreign_texts(ast.parse(code)) == []


@pytest.mark.parametrize(
    "text",
    [
        "RTL against random masks: +6.0 points at equal joint steps (95 % interval −1.0 to 2.0), n = 30",
        "block1.conv_bn.weight",
        "T-shirt/top, 12:30, “quoted”, AT&T, 猫_犬",
    ],
)
def test_ordinary_texts_are_left_alone(text):
    assert plain(text) == text


@pytest.mark.parametrize("name", hostile.NAMES)
def test_in_a_figure_only_our_own_tags_are_left(name):
    figure = go.Figure(go.Bar(x=[name, "b"], y=[1, 2], name=name, customdata=[[0, name], [1, "b"]]))
    figure.update_layout(title=f"<b>{name}</b>", xaxis={"ticktext": [name], "tickvals": [0]})
    figure.update_traces(hovertemplate="%{x}<br>%{y}<extra></extra>")
    shown = as_written(figure.to_dict())
    escaped = name.replace("&amp;", "&amp;amp;").replace("<", "&lt;")
    bar, layout = shown["data"][0], shown["layout"]
    assert bar["x"][0] == bar["name"] == bar["customdata"][0][1] == layout["xaxis"]["ticktext"][0] == escaped
    assert layout["title"]["text"] == f"<b>{escaped}</b>"
    assert bar["hovertemplate"] == "%{x}<br>%{y}<extra></extra>"
