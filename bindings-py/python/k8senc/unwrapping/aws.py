"""AWS KMS, asked directly. Needs the extra `aws` (boto3) and its ordinary credentials."""

from __future__ import annotations

import importlib
from typing import Any, Self

from k8senc._native import DekRequest, WrappedDek
from k8senc.errors import RemoteError, UsageError
from k8senc.kms_client import Refusal
from k8senc.unwrapping.places import FORMS, Place, extra

__all__ = ["AwsKek"]


class AwsKek:
    """One key of AWS KMS. Its ARN goes with every call, so that a blob of somebody else's key is refused."""

    kind = "aws"

    def __init__(self, arn: str, *, context: dict[str, str] | None = None, endpoint: str | None = None, profile: str | None = None) -> None:
        parts = arn.split(":")
        if len(parts) != 6 or parts[0] != "arn" or parts[2] != "kms" or not parts[3] or not parts[5].startswith(("key/", "alias/")):
            raise UsageError("kms-place", f"{arn!r} is no ARN of a KMS key: {FORMS['aws']} is needed")
        try:
            # boto3 has no types of its own.
            boto3: Any = importlib.import_module("boto3")
            self._errors: Any = importlib.import_module("botocore.exceptions")
            config: Any = importlib.import_module("botocore.config")
        except ImportError:
            raise extra("aws", "AWS KMS") from None
        self.arn, self.context = arn, context or {}
        settings = config.Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=5, read_timeout=10)
        try:
            self._client = boto3.Session(profile_name=profile).client("kms", region_name=parts[3], endpoint_url=endpoint, config=settings)
        except self._errors.BotoCoreError as error:
            raise UsageError("kms-place", f"AWS KMS: {error}") from None

    @classmethod
    def at(cls, place: Place) -> Self:
        """`aws:ARN`, with an encryption context (repeatable), another endpoint or a profile."""
        place.only("context", "endpoint", "profile")
        context = {}
        for option, value in place.options:
            if option == "context":
                name, equals, text = value.partition("=")
                if not equals:
                    raise UsageError("kms-place", "aws: context=NAME=VALUE is needed")
                context[name] = text
        return cls(place.where, context=context, endpoint=place.one("endpoint"), profile=place.one("profile"))

    @property
    def what(self) -> str:
        return f"AWS key {self.arn}"

    def takes(self, wrapped: WrappedDek) -> bool:
        return wrapped.plugin == "aws"

    def unwrap_stored(self, wrapped: WrappedDek, request: DekRequest) -> bytes:
        return self._decrypt(wrapped.to_kms or b"", self.context)

    def unwrap_wrap(self, wrap: bytes, context: str) -> bytes:
        return self._decrypt(wrap, {"kw1": context})

    def _decrypt(self, blob: bytes, context: dict[str, str]) -> bytes:
        try:
            answer: bytes = self._client.decrypt(CiphertextBlob=blob, EncryptionContext=context, KeyId=self.arn)["Plaintext"]
        except self._errors.ClientError as error:
            said = error.response.get("Error", {})
            code, text = str(said.get("Code", "")), str(said.get("Message", "") or "")
            if code == "InvalidCiphertextException" and not text:
                text = "the blob is not of this key, or the encryption context is another (?context=NAME=VALUE)"
            raise Refusal(code, text) from None
        except self._errors.NoCredentialsError:
            raise UsageError("kms-credentials", "AWS KMS: there are no credentials: set AWS_PROFILE or whatever the aws command uses") from None
        except self._errors.BotoCoreError as error:
            raise RemoteError("kms-unreachable", f"AWS KMS does not answer: {error}") from None
        return answer
