"""How the page looks: paper and ink, system fonts (nothing is fetched), one accent."""

import gradio as gr

__all__ = ["theme"]

SANS = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def theme() -> gr.themes.Base:
    """Gradio's base theme in the colours of `static/views.css`, whose variables it uses."""
    both = {
        "body_background_fill": "var(--slap-paper)",
        "body_text_color": "var(--slap-ink)",
        "body_text_color_subdued": "var(--slap-muted)",
        "background_fill_primary": "var(--slap-paper)",
        "background_fill_secondary": "var(--slap-wash)",
        "block_background_fill": "transparent",
        "block_border_width": "0px",
        "block_label_background_fill": "var(--slap-paper)",
        "block_label_text_color": "var(--slap-muted)",
        "block_title_text_color": "var(--slap-ink)",
        "block_info_text_color": "var(--slap-muted)",
        "border_color_primary": "var(--slap-rule)",
        "border_color_accent": "var(--slap-accent)",
        "color_accent": "var(--slap-accent)",
        "input_background_fill": "var(--slap-paper)",
        "input_border_color": "var(--slap-rule)",
        "input_placeholder_color": "var(--slap-muted)",
        "slider_color": "var(--slap-accent)",
        "button_primary_background_fill": "var(--slap-accent)",
        "button_primary_background_fill_hover": "var(--slap-ink)",
        "button_primary_text_color": "var(--slap-on-accent)",
        "button_primary_text_color_hover": "var(--slap-paper)",
        "button_secondary_background_fill": "transparent",
        "button_secondary_background_fill_hover": "var(--slap-wash)",
        "button_secondary_text_color": "var(--slap-ink)",
        "button_secondary_border_color": "var(--slap-rule)",
        "link_text_color": "var(--slap-accent)",
    }
    quiet = gr.themes.Base(
        primary_hue="orange", neutral_hue="stone", radius_size=gr.themes.sizes.radius_none, font=SANS, font_mono=MONO
    )
    # A dark counterpart exists for each of these; the variables change by themselves.
    dark = {f"{name}_dark": value for name, value in both.items() if hasattr(quiet, f"{name}_dark")}
    return quiet.set(
        **both,
        **dark,
        block_shadow="none",
        input_border_width="1px",
        button_secondary_border_color_hover="var(--slap-ink)",
    )
