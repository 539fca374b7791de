from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class TradingConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "trading"

    def ready(self) -> None:
        from strategies.cycle import holdings
        from trading.holdings import PositionHoldings
        from trading.safety import mode_guard

        holdings.provide(PositionHoldings())
        pre_migrate.connect(mode_guard.remove, sender=self, dispatch_uid="trading.safety.mode_guard.remove")
        post_migrate.connect(mode_guard.install, sender=self, dispatch_uid="trading.safety.mode_guard.install")
