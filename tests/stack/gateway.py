"""Completes the deployed HTTP API of the emulated cloud.

ministack 1.5.33 stores the CORS settings of AWS::ApiGatewayV2::Api under names that its gateway does not read, and so
refuses every preflight. They are set once more through the public API. This module can go as soon as a preflight
succeeds without it.
"""


def set_cors(apigateway, template: dict, parameters: dict[str, str]) -> None:
    """`template` is the expanded one, `parameters` those of its stack."""
    resources = template["Resources"].values()
    [settings] = [each["Properties"]["CorsConfiguration"] for each in resources if each["Type"] == "AWS::ApiGatewayV2::Api"]
    separator, parameter = settings["AllowOrigins"]["Fn::Split"]
    origins = parameters[parameter["Ref"]].split(separator)
    [api] = apigateway.get_apis()["Items"]
    apigateway.update_api(ApiId=api["ApiId"], CorsConfiguration=settings | {"AllowOrigins": origins})
