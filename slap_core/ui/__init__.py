"""The page: layout, callbacks, theme, and the scripts and styles that draw the views in the browser."""
