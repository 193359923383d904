"""What draws the views in a browser: scripts, styles and plotly's own library, as files of this package."""

import importlib.util
import json
import pathlib

from slap_core.views.glossary import TERMS

__all__ = ["plotly_library", "script", "style"]

STATIC = pathlib.Path(__file__).parent / "static"
SCRIPTS = (
    *(
        "views.js",
        "glossary.js",
        "linked.js",
        "plots.js",
        "map.js",
        "map_tools.js",
        "frames.js",
        "gallery.js",
        "slots.js",
        "objects.js",
        "concepts.js",
        "sees.js",
        "pictures.js",
    ),
)


def script() -> str:
    """The script that draws a view's JSON into an element: `slap.render(element, view)`."""
    terms = {
        form: {"name": name, "definition": definition, "formula": formula}
        for name, (definition, formula, forms) in TERMS.items()
        for form in forms
    }
    parts = [f"window.slap = {{ glossary: {json.dumps(terms)} }};"]
    return "\n".join([*parts, *((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)])


def style() -> str:
    """The style sheet of the views; `body.dark` switches to the dark colours."""
    return (STATIC / "views.css").read_text(encoding="utf-8")


def plotly_library() -> pathlib.Path:
    """The plotly.min.js that belongs to the installed plotly package, whose figures it draws."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None, "plotly is a required dependency"
    return pathlib.Path(str(spec.origin)).parent / "package_data" / "plotly.min.js"
