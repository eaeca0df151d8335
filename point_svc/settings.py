"""The settings of point_svc, from variables that begin with `POINT_`."""

from chassis.settings import ServiceSettings, settings_of


class Settings(ServiceSettings):
    """Nothing beyond what every service needs."""

    model_config = settings_of("point")
