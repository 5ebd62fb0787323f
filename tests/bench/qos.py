"""One message to one client at each QoS: 200 publishers, each with a topic and a subscriber."""

import delivery


def run(bench):
    delivery.compare(bench, {
        f"QoS {qos}": {"publishers": 200, "topics": 200, "subscribers": 200, "window": 10,
                       "qos": qos} for qos in (0, 1, 2)})
