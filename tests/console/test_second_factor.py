"""The second factor: off until a person wants it; then no session without a code, each code once, a way back without the phone."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import sample_rows
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from kalbot.console.models import Act

pytestmark = pytest.mark.alike

PASSWORD = "let-me-in-please"


def code(user: User, ahead: int = 0) -> str:
    """What the person's app shows now, or ``ahead`` steps later."""
    device = TOTPDevice.objects.get(user=user)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = time.time() + ahead * device.step
    return f"{totp.token():06d}"


def enter(name: str = "olga", **fields: str) -> Any:
    """One login from a fresh browser."""
    return Client().post(reverse("admin:login"), {"username": name, "password": PASSWORD, **fields})


def patience() -> None:
    """The pause after a wrong code is over."""
    for device in (TOTPDevice, StaticDevice):
        device.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)


@pytest.fixture
def olga(db: None, redis_db: object) -> User:
    """An operator."""
    found: User = sample_rows.person("olga", "operator")
    return found


@pytest.fixture
def secured(olga: User) -> tuple[User, list[str]]:
    """Olga with the second factor on, and her recovery codes."""
    client, address = Client(), reverse("admin:second_factor")
    client.force_login(olga)
    found = re.search(r"<svg[^>]*>", client.get(address).content.decode())
    assert found is not None
    picture = found[0]
    assert "viewBox" in picture  # else a smaller box would cut it off, and no app could read it
    assert "width=" not in picture
    page = client.post(address, {"code": code(olga)})
    return olga, page.context["recovery"]


def test_without_it_a_password_is_enough(olga: User) -> None:
    assert enter().status_code == 302


def test_a_wrong_code_does_not_switch_it_on(olga: User) -> None:
    client, address = Client(), reverse("admin:second_factor")
    client.force_login(olga)
    client.get(address)
    assert "not right" in client.post(address, {"code": "000000"}).content.decode()
    assert enter().status_code == 302


def test_with_it_a_password_alone_is_not_enough_and_each_code_is_good_once(secured: tuple[User, list[str]]) -> None:
    user, _ = secured
    assert "one-time code" in enter().content.decode()
    assert enter(code="000000").status_code == 200
    patience()
    later = code(user, ahead=1)
    assert enter(code=later).status_code == 302
    assert enter(code=later).status_code == 200


def test_a_recovery_code_lets_in_once(secured: tuple[User, list[str]]) -> None:
    _, recovery = secured
    assert len(set(recovery)) == 8
    assert enter(code=recovery[0]).status_code == 302
    assert enter(code=recovery[0]).status_code == 200


def test_a_session_without_the_code_sees_nothing(secured: tuple[User, list[str]]) -> None:
    user, _ = secured
    client = Client()
    client.force_login(user)  # as a browser that was logged in before it was switched on
    assert client.get(reverse("admin:index")).status_code == 302
    assert client.get(reverse("admin:dashboard_part", args=["modes"])).status_code == 302
    assert client.get(reverse("admin:act_halt")).status_code == 302


def test_guessing_codes_is_slowed_down_like_guessing_passwords(secured: tuple[User, list[str]]) -> None:
    for _ in range(settings.AXES_FAILURE_LIMIT):
        enter(code="000000")
    assert enter(code="000000").status_code == 429


def test_it_is_switched_off_with_a_code_only(secured: tuple[User, list[str]]) -> None:
    _, recovery = secured
    client, address = Client(), reverse("admin:second_factor")
    client.post(reverse("admin:login"), {"username": "olga", "password": PASSWORD, "code": recovery[1]})
    assert "Picture to scan" not in client.get(address).content.decode()
    assert "not right" in client.post(address, {"code": "000000"}).content.decode()
    patience()
    assert client.post(address, {"code": recovery[2]}).status_code == 302
    assert enter().status_code == 302
    assert list(Act.objects.order_by("id").values_list("name", "actor")) == [
        ("second_factor_on", "olga"),
        ("second_factor_off", "olga"),
    ]


def test_a_superuser_removes_it_for_a_lost_phone_and_says_why(secured: tuple[User, list[str]], login: Any) -> None:
    user, _ = secured
    address = reverse("admin:act_remove_second_factor_one", args=[user.pk])
    assert login("risk manager").get(address).status_code == 403
    chief = login()
    token = chief.get(address).context["form"]["token"].value()
    chief.post(address, {"token": token, "reason": "phone fell into the lake"})
    assert enter().status_code == 302
    assert Act.objects.filter(name="second_factor_off", reason="phone fell into the lake").exists()


def test_no_page_of_the_admin_shows_a_shared_key(secured: tuple[User, list[str]], login: Any) -> None:
    user, _ = secured
    page = login().get(reverse("admin:auth_user_change", args=[user.pk])).content.decode()
    assert TOTPDevice.objects.get(user=user).key not in page
    assert "otp_totp" not in login("", "second-chief").get(reverse("admin:index")).content.decode()
