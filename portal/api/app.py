"""The API as an application of its own, which the portal mounts."""

from typing import Any

from fastapi import FastAPI

from auth_core import AuthService
from portal.api import app_user, back_office
from portal.api.problems import MEDIA_TYPE, handle_problems

DESCRIPTION = """\
One secret on every channel, over HTTP. An app logs somebody in and holds a token; a program of the
back office has one that an operator gave out (`auth-core add-client`). Errors are problem details
(RFC 9457). Moments are ISO 8601.
"""


class Api(FastAPI):
    """FastAPI, whose errors are described as what they are: problem details."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            for operations in super().openapi()["paths"].values():
                for operation in operations.values():
                    for status, answer in operation["responses"].items():
                        if status >= "400":
                            answer["content"] = {MEDIA_TYPE: answer["content"].pop(JSON)}
        return super().openapi()


JSON = "application/json"


def create_api(service: AuthService) -> FastAPI:
    """The ASGI application on an open `service`, which stays the caller's to close. No page of it
    loads anything from elsewhere: there is its description, and no viewer of it."""
    api = Api(
        title="Mon compte",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    api.state.service = service
    api.include_router(app_user.router)
    api.include_router(back_office.router)
    handle_problems(api)
    return api
