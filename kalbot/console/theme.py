"""Colours, titles and what stands around the pages of the admin: the settings of Unfold."""

from typing import Final

UNFOLD: Final = {
    "SITE_TITLE": "Kalbot",
    "SITE_HEADER": "Kalbot",
    "SITE_SUBHEADER": "dutch baskets on Kalshi",
    "SITE_SYMBOL": "balance",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "kalbot.console.ui.navigation.favicon"}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "kalbot.console.ui.navigation.environment",
    "STYLES": ["kalbot.console.ui.navigation.stylesheet"],
    "SCRIPTS": ["kalbot.console.ui.navigation.script"],
    "COLORS": {
        "primary": {
            "50": "oklch(97% .02 195)",
            "100": "oklch(94% .035 195)",
            "200": "oklch(88% .055 196)",
            "300": "oklch(80% .08 197)",
            "400": "oklch(70% .1 198)",
            "500": "oklch(60% .1 200)",
            "600": "oklch(49% .09 202)",
            "700": "oklch(43% .08 204)",
            "800": "oklch(37% .065 206)",
            "900": "oklch(32% .05 208)",
            "950": "oklch(24% .04 210)",
        },
    },
    "BORDER_RADIUS": "6px",
    "LOGIN": {"form": "kalbot.console.auth.second_factor.LoginForm"},
    "ACCOUNT": {"navigation": "kalbot.console.ui.navigation.account"},
    "COMMAND": {"search_callback": "kalbot.console.ui.search.found", "show_history": True},
    "SIDEBAR": {
        "show_search": False,
        "command_search": True,
        "show_all_applications": True,
        "navigation": "kalbot.console.ui.navigation.sidebar",
    },
}
