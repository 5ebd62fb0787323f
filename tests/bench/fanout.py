"""One message to many clients: 4 publishers, 4 topics, 500 subscribers."""

import delivery


def run(bench):
    delivery.compare(bench, {
        f"QoS {qos}": {"publishers": 4, "topics": 4, "subscribers": 500, "window": 8, "qos": qos}
        for qos in (0, 1)})
