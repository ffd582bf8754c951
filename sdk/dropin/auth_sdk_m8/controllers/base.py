"""The answer of a route to an error that it did not expect."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from auth_sdk_m8.schemas.base import ResponseError, ResponseErrorBase
from auth_sdk_m8.utils.errors_parser import parse_integrity_error, parse_pydantic_errors

if TYPE_CHECKING:
    from sqlmodel import Session

logger = logging.getLogger(__name__)


def _is_integrity_error(error: Exception) -> bool:
    try:
        from sqlalchemy.exc import IntegrityError
    except ImportError:
        return False
    return isinstance(error, IntegrityError)


class BaseController:
    """Answers to errors, in one envelope."""

    @staticmethod
    def get_error_responses() -> dict[int | str, dict[str, Any]]:
        """What a route declares as its `responses`."""
        return {500: {"model": ResponseErrorBase}}

    @staticmethod
    def _build_content(ex: Exception) -> ResponseErrorBase:
        if _is_integrity_error(ex):
            return ResponseErrorBase(
                msg="Database integrity error: Possibly duplicate entry or invalid reference.",
                from_error="IntegrityError",
                errors=parse_integrity_error(ex),  # type: ignore[arg-type]
                status_code=400,
            )
        if isinstance(ex, ValidationError):
            return ResponseErrorBase(
                msg="Validation error.", from_error="ValidationError", errors=parse_pydantic_errors(ex), status_code=400
            )
        expected = isinstance(ex, ValueError | TypeError | OSError)
        return ResponseErrorBase(
            msg="Internal error." if expected else "An unexpected error occurred.",
            from_error="InternalError" if expected else "Exception",
            errors=[ResponseError(error=str(ex))],
            status_code=400 if expected else 500,
        )

    @staticmethod
    def handle_exception(ex: Exception, session: Session | None = None) -> JSONResponse:
        """Rolls `session` back and answers 500 with the envelope, whose own `status_code` may say 400.

        Raises:
            HTTPException: `ex` is one: its answer is decided already.
        """
        if session is not None:
            session.rollback()
        if isinstance(ex, HTTPException):
            raise ex
        logger.error("a route failed", exc_info=ex)
        return JSONResponse(BaseController._build_content(ex).model_dump(), status_code=500)
