"""The documents as a site: `python -m sphinx -W -b html docs .test/site` (part of `bin/test`)."""

project = "Kalbot"
author = "the Kalbot contributors"
project_copyright = "2026, the Kalbot contributors"
extensions = ["myst_parser"]
exclude_patterns = ["screenshots"]
html_theme = "furo"
html_title = "Kalbot"
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
# tables may name files and pages outside docs/; tests/docs checks those links against the tree
suppress_warnings = ["myst.header"]
