"""Files we made and keep (certificates): their bytes and their hash, in the database, so a backup has them too."""

import hashlib
from datetime import datetime

from sqlalchemy import LargeBinary, Text
from sqlmodel import Field, SQLModel

from core.clock import now
from core.columns import key, moment
from core.db import session
from core.errors import NotFound


class StoredFile(SQLModel, table=True):
    """A file, never changed after it was stored."""

    __tablename__ = "stored_file"

    id: str = key()
    name: str = Field(sa_type=Text)
    media_type: str = Field(sa_type=Text)
    sha256: str = Field(sa_type=Text)
    content: bytes = Field(sa_type=LargeBinary)
    created_at: datetime = moment(now)


def store(name: str, media_type: str, content: bytes) -> StoredFile:
    """Keep a file; its hash is computed here."""
    digest = hashlib.sha256(content).hexdigest()
    file = StoredFile(name=name, media_type=media_type, content=content, sha256=digest)
    session().add(file)
    session().flush()
    return file


def get_file(file_id: str) -> StoredFile:
    """The stored file; raises NotFound."""
    file = session().get(StoredFile, file_id)
    if file is None:
        raise NotFound
    return file
