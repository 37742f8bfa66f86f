"""Checks what `make deploy` needs before anything is built: settings, parameters and credentials.

Runs with the Python of the SAM CLI, which contains boto3:
python -m tests.stack.before_deploy dev [sender's address [Parameter=value ...]]
"""

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ROOT = Path(__file__).resolve().parents[2]
_PARAMETER = re.compile(r"^  (\w+):$", re.MULTILINE)
_DOMAIN = re.compile(r"https://([a-z0-9-]+\.)+[a-z]{2,}")


def wrong(environment: str, sender: str, others: Sequence[str] = ()) -> str | None:
    """Returns what is missing and what to do, or None. `others` are further parameters, as `Name=value`."""
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())
    environments = [name for name, value in settings.items() if isinstance(value, dict) and "build" in value]
    if environment not in environments:
        return f"ENV={environment} is not in samconfig.toml: choose {' or '.join(environments)}"
    deploy = settings[environment]["deploy"]["parameters"]
    template = (ROOT / "template.yaml").read_text()
    known = _PARAMETER.findall(template.split("\nParameters:\n")[1].split("\nConditions:")[0].split("\nResources:")[0])
    for setting in deploy.get("parameter_overrides", []):
        if setting.split("=")[0] not in known:
            return f"template.yaml has no parameter {setting.split('=')[0]}: correct parameter_overrides of {environment} in samconfig.toml"
    # SAM wants quotation marks around nothing.
    given = {name: value.strip('"') for name, _, value in (setting.partition("=") for setting in others)}
    for name in given:
        if name not in known:
            return f"template.yaml has no parameter {name}: correct PARAMETERS="
    if given.get("PublicUrl") and not _DOMAIN.fullmatch(given["PublicUrl"]):
        return f"{given['PublicUrl']} is no address of a domain: DOMAIN=records.example.org is the domain of the API"
    if sender and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", sender):
        return f"MAIL_SENDER={sender} is no address: MAIL_SENDER=records@example.org names the sender of mails"
    return _wrong_in_the_account(deploy, sender, given.get("MailIdentity", "DOMAIN"))


def _wrong_in_the_account(deploy: dict, sender: str, identity: str) -> str | None:
    once = Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=10)
    name, region = deploy["stack_name"], deploy["region"]
    try:
        boto3.client("sts", region_name=region, config=once).get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return f"AWS does not accept your credentials ({error}): set them with `aws configure`, AWS_PROFILE or `aws sso login`"
    try:
        boto3.client("cloudformation", region_name=region, config=once).describe_stacks(StackName=name)
    except ClientError as error:
        if "does not exist" not in str(error):
            return f"the stack {name} cannot be read in {region} ({error}): ask for the rights to deploy it"
        if not sender:
            return f"there is no stack {name} in {region} yet, and the first time needs the sender of mails: MAIL_SENDER=<address>"
        return _wrong_identity(boto3.client("sesv2", region_name=region, config=once), sender, identity)
    except BotoCoreError as error:
        return f"CloudFormation cannot be reached ({error}): check the network"


def _wrong_identity(ses, sender: str, identity: str) -> str | None:
    """Checks what SES knows of the sender before the first deployment, which would fail and be rolled back."""
    domain = sender.partition("@")[2]
    if identity == "EXISTING":
        if _is_known(ses, domain) or _is_known(ses, sender):
            return None
        return f"SES knows neither {domain} nor {sender} in this region: leave out MailIdentity=EXISTING, or verify one of them"
    created = domain if identity == "DOMAIN" else sender
    if _is_known(ses, created):
        return f"SES has the identity {created} in this region already: use it with PARAMETERS=MailIdentity=EXISTING"
    return None


def _is_known(ses, identity: str) -> bool:
    try:
        ses.get_email_identity(EmailIdentity=identity)
        return True
    except ClientError as error:
        if error.response["Error"]["Code"] == "NotFoundException":
            return False
        raise


if __name__ == "__main__":
    sentence = wrong(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "", sys.argv[3:])
    if sentence:
        sys.exit(f"error: {sentence}")
