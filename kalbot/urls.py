"""Addresses: the admin is the product's face; machines ask /healthz and /metrics."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from kalbot.console.api.views import api
from kalbot.console.pages import errors, machines

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.failed
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("favicon.ico", RedirectView.as_view(url="/static/console/icon.svg")),
    path("healthz", machines.healthz, name="healthz"),
    path("metrics", machines.metrics, name="metrics"),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
