"""The web process: the click path in front, static files, Flask behind."""

from app import create_app
from core.garbage import settle
from core.logs import begin_logging
from core.settings import configure
from referrals.clicks.redirect import ClickPath
from web.assets import with_assets

settings = configure()
begin_logging(settings)
app = ClickPath(with_assets(create_app(settings).wsgi_app), settings)
settle()
