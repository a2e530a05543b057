"""The documentation as a static site: `make docs`. Pages are the Markdown of this folder."""

project = "hedged"
author = "the hedged authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["adr/0000-template.md"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
highlight_language = "text"  # of blocks that name none
html_theme = "furo"
html_title = "hedged"
html_show_sourcelink = False
html_show_sphinx = False
