"""GET /questions: the page where a person labels, its script and its style inside it."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files

from starlette.responses import HTMLResponse


class QuestionPage:
    """Reads its files once. The browser runs the script that is in it, by its digest, and nothing else; it
    takes colours and shapes from the dashboard, and loads nothing from other hosts. Labels are shown as text
    only."""

    def __init__(self) -> None:
        self._html = _filled(
            _text("questions.html"), style=_text("questions.css"), script=_text("questions.js")
        )
        self._headers = {
            "Content-Security-Policy": (
                f"default-src 'none'; script-src {_digests(self._html, 'script')}; "
                f"style-src 'self' {_digests(self._html, 'style')}; "
                "connect-src 'self'; img-src 'self' data:; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }

    async def show(self) -> HTMLResponse:
        """The page where a person labels what the daemon asks."""
        return HTMLResponse(self._html, headers=self._headers)


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _filled(html: str, **texts: str) -> str:
    """`html` with the texts of the elements that are empty in it, by tag."""
    for tag, text in texts.items():
        html = html.replace(f"<{tag}>\n</{tag}>", f"<{tag}>\n{text}</{tag}>")
    return html


def _digests(html: str, tag: str) -> str:
    """Of the text of each element of this kind, as a policy names them."""
    texts = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    found = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
    return " ".join(f"'sha256-{digest}'" for digest in found)
