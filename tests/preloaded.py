"""What `forked` forks from has imported the service, and has made what boto3 makes but once, and slowly."""

import boto3

import release_service.cli
import release_service.web.server

__all__ = ["release_service"]

# Keys are given, so that none is remembered: forks have their own environments.
boto3.client("s3", region_name="us-east-1", aws_access_key_id="K", aws_secret_access_key="S").close()  # noqa: S106
