"""Deploys the template to the emulated cloud with `sam deploy`, and reads the outputs of the stack."""

import hashlib
import io
import json
import tomllib
import zipfile
from pathlib import Path

import boto3
import yaml
from botocore.exceptions import ClientError

from . import adjustments, build, processes
from .console import Failure, step
from .emulator import REGION, Emulator

_SAMCONFIG = build.ROOT / "samconfig.toml"
_ENVIRONMENT = "local"
# An SSM parameter in the emulated cloud, so that it is kept and deleted together with the stack.
_FINGERPRINT = "/deployment/fingerprint"
STACK_NAME = tomllib.loads(_SAMCONFIG.read_text())[_ENVIRONMENT]["deploy"]["parameters"]["stack_name"]


def client(emulator: Emulator, service: str):
    return boto3.client(service, endpoint_url=emulator.url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


def deploy_if_changed(emulator: Emulator, sam: Path, parameters: dict[str, str]) -> None:
    fingerprint = _fingerprint(parameters)
    if not _is_deployed(emulator, fingerprint):
        with step("Deploying template.yaml"):
            _deploy(emulator, sam, parameters)
            client(emulator, "ssm").put_parameter(Name=_FINGERPRINT, Value=fingerprint, Type="String", Overwrite=True)


def update_code(emulator: Emulator, functions: dict[str, str], parameters: dict[str, str]) -> None:
    """Replaces the code of deployed functions; `functions` are the names of binaries and of what was deployed."""
    lambdas = client(emulator, "lambda")
    # Until all have changed, the deployment is none of the known ones.
    client(emulator, "ssm").put_parameter(Name=_FINGERPRINT, Value="incomplete", Type="String", Overwrite=True)
    for binary, function in functions.items():
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.write(build.BUILD / binary / "bootstrap", "bootstrap")
        lambdas.update_function_code(FunctionName=function, ZipFile=archive.getvalue())
    for function in functions.values():
        lambdas.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    client(emulator, "ssm").put_parameter(Name=_FINGERPRINT, Value=_fingerprint(parameters), Type="String", Overwrite=True)


def _deploy(emulator: Emulator, sam: Path, parameters: dict[str, str]) -> None:
    template = emulator.folder / "template.json"
    template.write_text(_json(build.template()))
    environment = emulator.client_environment() | {
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",
        # Instead of the home directory.
        "__SAM_CLI_APP_DIR": str(emulator.folder / "sam"),
    }
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    processes.call_logged(
        [
            sam, "deploy", "--config-file", _SAMCONFIG, "--config-env", _ENVIRONMENT, "--template-file", template,
            "--no-progressbar", "--parameter-overrides", *overrides,
        ],  # fmt: skip
        log=emulator.folder / "deploy.log",
        failure="the template could not be deployed: correct the error that sam reports:",
        cwd=emulator.folder,
        env=environment,
    )
    _adjust(emulator)


class _Loader(yaml.CSafeLoader):
    """Reads the short forms of intrinsic functions, such as !Ref."""


def _intrinsic(loader: _Loader, name: str, node: yaml.Node) -> dict:
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_scalar(node)
        if name == "GetAtt":
            value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def _json(template: str) -> str:
    """Returns a template as JSON, because SAM parses it seven times, and needs a second for YAML each time."""
    try:
        # The version of the format is a date.
        return json.dumps(yaml.load(template, _Loader), default=str)
    except yaml.YAMLError as error:
        raise Failure(f"template.yaml is no YAML: {error}") from None


def _adjust(emulator: Emulator) -> None:
    actual = {each["ParameterKey"]: each["ParameterValue"] for each in _stack(emulator)["Parameters"]}
    deployed = outputs(emulator)
    adjustments.set_cors(client(emulator, "apigatewayv2"), expanded_template(emulator), actual)
    for bucket in ("BucketName", "FailureBucketName", "ArchiveBucketName"):
        adjustments.allow_plain_http(client(emulator, "s3"), deployed[bucket])
    mode, days = actual["AuditLockMode"], actual["AuditRetentionDays"]
    adjustments.lock_objects(client(emulator, "s3"), deployed["ArchiveBucketName"], mode, days)
    adjustments.expire_items(client(emulator, "dynamodb"), deployed["TableName"])


def _fingerprint(parameters: dict[str, str]) -> str:
    """Returns a hash of everything that determines a deployment."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in [build.TEMPLATE, _SAMCONFIG, Path(adjustments.__file__), *(build.BUILD / name / "bootstrap" for name in build.functions())]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _is_deployed(emulator: Emulator, fingerprint: str) -> bool:
    try:
        parameter = client(emulator, "ssm").get_parameter(Name=_FINGERPRINT)["Parameter"]
        return parameter["Value"] == fingerprint and _stack(emulator)["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
    except ClientError:
        return False


def outputs(emulator: Emulator) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in _stack(emulator)["Outputs"]}


def _stack(emulator: Emulator) -> dict:
    [stack] = client(emulator, "cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return stack


def expanded_template(emulator: Emulator) -> dict:
    """Returns the processed template, with the SAM resources expanded."""
    body = client(emulator, "cloudformation").get_template(StackName=STACK_NAME, TemplateStage="Processed")["TemplateBody"]
    return body if isinstance(body, dict) else json.loads(body)


def environment_of(emulator: Emulator, function: str) -> dict[str, str]:
    configuration = client(emulator, "lambda").get_function_configuration(FunctionName=function)
    return configuration.get("Environment", {}).get("Variables", {})
