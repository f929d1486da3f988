"""The web process: the click path in front, static files, Flask behind."""

from referrals.redirect import ClickPath
from whitenoise import WhiteNoise

from app import create_app
from core.logs import begin_logging
from core.settings import configure
from web import assets

settings = configure()
begin_logging(settings)
pages = WhiteNoise(create_app(settings).wsgi_app, max_age=0)
pages.add_files(str(assets.FOLDER), prefix=assets.prefix())
pages.immutable_file_test = lambda _path, url: url.startswith(assets.prefix())
app = ClickPath(pages, settings)
