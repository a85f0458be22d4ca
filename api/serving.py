"""The command `metadb serve`: the store over HTTP."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Annotated

from cyclopts import Parameter

from api.terminal import COMMON, EXIT_OK, Common, remark


def serve(
    *,
    host: str | None = None,
    port: Annotated[int | None, Parameter(name=["--port", "-p"])] = None,
    common: Common = COMMON,
) -> int:
    """Answer lists, recommendations and records of the store over HTTP (docs/server.md).

    Further settings come from the environment: METADB_TOKEN is the secret that clients send to
    record, and for everything where --host can be reached from other machines.

    Parameters
    ----------
    host
        The address to listen at; default: METADB_HOST, or else 127.0.0.1, this machine only.
    port
        The port to listen at; default: METADB_PORT, or else 8000.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # requests run side by side already
    import uvicorn

    from api.server.app import create_app
    from api.server.background import tidy
    from api.server.settings import settings_of

    tidy()
    settings = settings_of(store=common.store, host=host, port=port)
    app = create_app(settings)
    where = f"[{settings.host}]" if ":" in settings.host else settings.host
    remark(common, f"{settings.store} at http://{where}:{settings.port}; Ctrl-C stops it")
    with suppress(KeyboardInterrupt):  # which is raised anew once all is closed
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
        )
    return EXIT_OK
