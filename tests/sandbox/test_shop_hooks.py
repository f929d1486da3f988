"""The shop hears what Spokes tells it: checked, once, and shown."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
from standardwebhooks import Webhook

from sandbox.shop.reports import Spokes
from sandbox.shop.server import running

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"ping","timestamp":"2026-11-02T10:15:00Z","data":{}}'


def headers(secret: str) -> dict[str, str]:
    at = datetime.now(UTC)
    signature = Webhook(secret).sign("msg_1", at, BODY)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def test_good_message_is_kept_once_and_a_bad_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with (
        running(Spokes("http://127.0.0.1:1", "k"), webhook_secret=file) as url,
        httpx.Client(base_url=url) as shop,
    ):
        assert shop.post("/webhooks/spokes", content=BODY, headers=headers(SECRET)).status_code == 503
        file.write_text(SECRET)
        statuses = [
            shop.post("/webhooks/spokes", content=BODY, headers=headers(each)).status_code
            for each in (SECRET, SECRET, "whsec_" + "A" * 32)
        ]
        assert statuses == [204, 204, 400]
        assert shop.get("/webhooks").text.count("<h2") == 1
