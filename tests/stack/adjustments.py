"""Workarounds for differences between the emulated cloud and AWS.

All but the first use public APIs. Each function but the last says when it can be removed.
"""

import json
from pathlib import Path


def forget_stream_positions(state: Path) -> None:
    """ministack 1.5.33 persists the position in a stream, but not the stream, so that it skips changes after a restart.
    Can be removed as soon as a mail arrives after a restart without it.
    """
    file = state / "lambda.json"
    if file.exists():
        saved = json.loads(file.read_text())
        saved["payload"].pop("dynamodb_stream_positions", None)
        file.write_text(json.dumps(saved))


def set_cors(apigateway, template: dict, parameters: dict[str, str]) -> None:
    """ministack 1.5.33 stores the CORS settings of AWS::ApiGatewayV2::Api under names that its gateway does not read, and
    refuses every preflight. Can be removed as soon as a preflight succeeds without it. `template` is the expanded
    template, `parameters` are those of its stack.
    """
    resources = template["Resources"].values()
    [(_, settings, _)] = [each["Properties"]["CorsConfiguration"]["Fn::If"] for each in resources if each["Type"] == "AWS::ApiGatewayV2::Api"]
    [api] = apigateway.get_apis()["Items"]
    apigateway.update_api(ApiId=api["ApiId"], CorsConfiguration=settings | {"AllowOrigins": parameters["LocalOrigins"].split(",")})


def allow_plain_http(s3, bucket: str) -> None:
    """The bucket refuses connections without TLS, which ministack does not support. Can be removed as soon as it does."""
    s3.delete_bucket_policy(Bucket=bucket)


def lock_objects(s3, bucket: str, mode: str, days: str) -> None:
    """ministack 1.5.33 ignores ObjectLockEnabled and ObjectLockConfiguration in a template. Can be removed as soon as the
    bucket has its lock configuration without it.
    """
    retention = {"Mode": mode, "Days": int(days)}
    s3.put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}}
    )


def expire_items(dynamodb, table: str) -> None:
    """ministack 1.5.33 ignores TimeToLiveSpecification in a template. Can be removed as soon as items expire without it."""
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True})


def allow_local_origins(s3, bucket: str) -> None:
    """Lets web clients on any port of this machine transfer files, as the proxy lets them call the API."""
    rules = s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
    origins = [f"http://{host}:*" for host in ("localhost", "127.0.0.1", "[::1]")]
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [rule | {"AllowedOrigins": origins} for rule in rules]})
