from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class TradingConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "trading"

    def ready(self) -> None:
        from strategies.cycle import holdings
        from trading.holdings import PositionHoldings
        from trading.safety import ledger_guard, mode_guard

        holdings.provide(PositionHoldings())
        for guard in (mode_guard, ledger_guard):
            pre_migrate.connect(guard.remove, sender=self, dispatch_uid=f"{guard.__name__}.remove")
            post_migrate.connect(guard.install, sender=self, dispatch_uid=f"{guard.__name__}.install")
