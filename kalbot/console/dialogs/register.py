"""Puts a Dialog on the page and the rows of a model, in the shape that Unfold's detail and row actions have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from unfold.enums import ActionVariant

from kalbot.console.dialogs.dialog import Dialog


def detail_action(dialog: type[Dialog], title: str, *, icon: str, name: str) -> Callable[..., HttpResponseBase]:
    """An Unfold action that opens ``dialog``. ``name`` is the attribute of the admin class it is assigned to.

    Unfold's own ``@action`` without ``dialog=`` would act on GET; its dialog has no page without JavaScript and cannot show
    numbers of the row. So the attributes are set here and the view is ours.
    """
    view = dialog.as_view()

    def open_dialog(self: Any, request: HttpRequest, object_id: str = "") -> HttpResponseBase:
        return view(request, pk=object_id)

    open_dialog.__name__ = name
    open_dialog.__doc__ = title
    for key, value in {
        "short_description": title,
        "url_path": name.replace("_", "-"),
        "icon": icon,
        "variant": ActionVariant(dialog.variant),
        "attrs": {},
        "dialog": {"title": title},
        "allowed_permissions": [dialog.permission_required.rpartition(".")[2]],
        "original_function_name": name,
    }.items():
        setattr(open_dialog, key, value)
    return open_dialog


class DialogActions:
    """Unfold asks the admin class ``has_<name>_permission`` for each of its actions (a dotted name would make it query the
    database while the system checks run, before there is one)."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("has_") and name.endswith("_permission"):
            permission = f"console.{name.removeprefix('has_').removesuffix('_permission')}"
            return lambda request, obj=None: request.user.has_perm(permission)
        raise AttributeError(name)
