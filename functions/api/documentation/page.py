"""/docs: Swagger UI on one page, offline: its script and style come with Powertools, in the layer, and are inlined.

Requests that a reader tries carry the token in the page's own field. It is in the memory of the page only, and goes to
this API only.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import aws_lambda_powertools.event_handler.openapi as powertools

from functions.api import openapi
from functions.core.identity.rules import Api

ASSETS = Path(powertools.__file__).parent / "swagger_ui"

STYLE = """
#identity { display: flex; flex-wrap: wrap; gap: 1em; padding: 1em 20px; font: 14px sans-serif; background: #f0f0f0 }
#identity input { width: 22em; padding: 4px }
"""

SCRIPT = """
"use strict";
const value = (id) => document.getElementById(id).value.trim();
window.ui = SwaggerUIBundle({
  dom_id: "#swagger-ui",
  spec: JSON.parse(document.getElementById("spec").textContent),
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  persistAuthorization: false,
  showMutatedRequest: false,
  requestInterceptor: (request) => {
    if (new URL(request.url, location.href).origin !== location.origin) return request;
    if (value("token")) request.headers.Authorization = "Bearer " + value("token").replace(/^Bearer\\s+/i, "");
    if (value("tenant")) request.headers["X-Taskyard-Tenant"] = value("tenant");
    return request;
  },
});
"""
"""showMutatedRequest: the curl command that the page shows has no token in it."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Taskyard API</title>
<style>{style}</style>
</head>
<body>
<div id="identity">
<label>Bearer token <input id="token" type="password" autocomplete="off" spellcheck="false"></label>
<label>Tenant, for operators <input id="tenant" type="text" autocomplete="off" spellcheck="false"></label>
<span>Sent with the requests that you try here. Kept until the page is closed or loaded again.</span>
</div>
<div id="swagger-ui"></div>
<script type="application/json" id="spec">{spec}</script>
<script>{bundle}</script>
<script>{script}</script>
</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """policy: the Content-Security-Policy with which it works."""

    body: bytes
    policy: str

    def compress(self) -> Page:
        return Page(gzip.compress(self.body, 6, mtime=0), self.policy)


@cache
def page(timeout_limit: int, apis: tuple[Api, ...], *, gzipped: bool) -> Page:
    """1.8 MB, a quarter of it gzipped: one answer of Lambda holds 6 MB."""
    if gzipped:
        return page(timeout_limit, apis, gzipped=False).compress()
    bundle = (ASSETS / "swagger-ui-bundle.min.js").read_text(encoding="utf-8")
    # `</script>` and `<!--` inside a script change where it ends: no text of ours may hold them unescaped.
    spec = json.dumps(openapi.document(timeout_limit, apis), ensure_ascii=False).replace("<", "\\u003c")
    style = (ASSETS / "swagger-ui.min.css").read_text(encoding="utf-8") + STYLE
    body = PAGE.format(style=style, bundle=bundle, script=SCRIPT, spec=spec).encode()
    return Page(body, content_security_policy(bundle, SCRIPT))


def content_security_policy(*scripts: str) -> str:
    """These scripts run and no others; requests go to this API only. Swagger UI sets styles in elements."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    hashes = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
