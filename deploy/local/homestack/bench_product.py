"""The product of `HOMEPORT_BENCH_PRODUCT`: its devices may connect unregistered."""

import json

import grpc

PRODUCT = "homeport.bench.v1"

MODEL = {
    "type": "urn:homeport-spec:device:bench:0000F001:homeport-bench:1",
    "description": "Bench device",
    "services": [{
        "iid": 2,
        "type": "urn:homeport-spec:service:bench:0000F101:homeport-bench:1",
        "description": "Bench",
        "properties": [
            {"iid": 1, "type": "urn:homeport-spec:property:value:0000F201:homeport-bench:1",
             "description": "A number the bench counts up", "format": "int64",
             "access": ["read", "write", "notify"]},
            {"iid": 2, "type": "urn:homeport-spec:property:level:0000F202:homeport-bench:1",
             "description": "A bounded number", "format": "uint8",
             "access": ["read", "write", "notify"], "value-range": [0, 100, 1]},
            {"iid": 3, "type": "urn:homeport-spec:property:label:0000F203:homeport-bench:1",
             "description": "A text", "format": "string", "access": ["read", "write", "notify"]},
            {"iid": 4, "type": "urn:homeport-spec:property:on:0000F204:homeport-bench:1",
             "description": "A switch", "format": "bool", "access": ["read", "write", "notify"]},
        ],
        "actions": [{"iid": 1, "type": "urn:homeport-spec:action:reset:0000F301:homeport-bench:1",
                     "description": "Sets the number to 0", "in": [], "out": [1]}],
        "events": [{"iid": 1, "type": "urn:homeport-spec:event:wrapped:0000F401:homeport-bench:1",
                    "description": "The number came round", "arguments": [1]}],
    }],
}


def ensure(api, registry_address):
    """Creates the product where it is absent; returns its fleet key."""
    from homeport.product.v1 import product_pb2
    products = api.products(registry_address)
    try:
        products.CreateProduct(product_pb2.CreateProductRequest(
            parent="tenants/default", product_id=PRODUCT,
            product=product_pb2.Product(display_name="Bench device", model_json=json.dumps(MODEL),
                                        allow_unregistered=True)), timeout=10)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise
    return products.GetFleetKey(product_pb2.GetFleetKeyRequest(
        name=f"tenants/default/products/{PRODUCT}"), timeout=10).fleet_key
