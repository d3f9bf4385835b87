"""/docs: Swagger UI on one page, offline: its script and style come with Powertools, in the layer, and are inlined."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import aws_lambda_powertools.event_handler.openapi as powertools

from functions.api import openapi

ASSETS = Path(powertools.__file__).parent / "swagger_ui"

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Taskyard API</title>
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script>{script}</script>
<script>
window.ui = SwaggerUIBundle({{
  dom_id: "#swagger-ui",
  spec: {spec},
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
}});
</script>
</body>
</html>
"""


@cache
def page(timeout_limit: int, *, gzipped: bool) -> bytes:
    """1.8 MB, a quarter of it gzipped: one answer of Lambda holds 6 MB."""
    if gzipped:
        return gzip.compress(page(timeout_limit, gzipped=False), 6, mtime=0)
    # `</script>` inside a script would end it: no text of ours may hold it unescaped.
    spec = json.dumps(openapi.document(timeout_limit), ensure_ascii=False).replace("</", "<\\/")
    return PAGE.format(
        style=(ASSETS / "swagger-ui.min.css").read_text(encoding="utf-8"),
        script=(ASSETS / "swagger-ui-bundle.min.js").read_text(encoding="utf-8"),
        spec=spec,
    ).encode()
