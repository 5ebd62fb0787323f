"""What lets devices with certificates in: their authority, and a template with its claim."""

import json

import grpc
from . import bench_product
from .pki import pem

AUTHORITY = "local-devices"
TEMPLATE = "sample-template"
PARENT = "tenants/default"
PRODUCT_NAME = f"{PARENT}/products/{bench_product.PRODUCT}"

TEMPLATE_BODY = {
    "Parameters": {"SerialNumber": {"Type": "String"},
                   "AWS::IoT::Certificate::Id": {"Type": "String"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {
            "ThingName": {"Fn::Join": ["", ["thing-", {"Ref": "SerialNumber"}]]}}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
            "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active"}}},
    "DeviceConfiguration": {}}


def ensure(api, registry_address, pki):
    """Registers what is absent. Devices of the authority that nobody knows become bench devices."""
    from homeport.credential.v1 import credential_pb2
    from homeport.provisioning.v1 import provisioning_pb2
    credentials = api.credentials(registry_address)
    provisioning = api.provisioning(registry_address)
    proof, _ = pki.client("default")
    unless_there(credentials.CreateAuthority, credential_pb2.CreateAuthorityRequest(
        parent=PARENT, authority_id=AUTHORITY, verification_pem=pem(proof),
        authority=credential_pb2.Authority(pem=pki.device_ca_cert.read_text(),
                                           registration_product=PRODUCT_NAME)))
    unless_there(provisioning.CreateTemplate, provisioning_pb2.CreateTemplateRequest(
        parent=PARENT, template_id=TEMPLATE, template=provisioning_pb2.Template(
            body_json=json.dumps(TEMPLATE_BODY), product=PRODUCT_NAME)))
    unless_there(provisioning.CreateClaim, provisioning_pb2.CreateClaimRequest(
        parent=PARENT, claim=provisioning_pb2.Claim(
            pem=pki.claim_cert.read_text(),
            template=f"{PARENT}/provisioningTemplates/{TEMPLATE}")))


def unless_there(method, request):
    try:
        method(request, timeout=10)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
