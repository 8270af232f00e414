"""What can be a topic of MQTT, and what a level of one.

A broker breaks the connection off with who publishes under anything else; so nothing that a client
chose may get that far.

Sources: MQTT 3.1.1, 1.5.3 and 4.7; brokers take neither control characters nor noncharacters.
"""

import re

TOPIC_BYTES_MAX = 65_535
LEVELS_MAX = 100
"""Not of the protocol; brokers have limits of their own, mosquitto one of 200."""
_PLANES = 17
_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(0x1_0000 * plane + last) for plane in range(_PLANES) for last in (0xFFFE, 0xFFFF)
)
_find_forbidden = re.compile(f"[+#\0-\x1f\x7f-\x9f\ud800-\udfff{_NONCHARACTERS}]").search


def is_level(name: str) -> bool:
    """Return whether `name` can be a level of a topic."""
    return "/" not in name and _find_forbidden(name) is None


def is_topic(topic: str) -> bool:
    """Return whether something can be published under `topic`."""
    return (
        bool(topic)
        and _find_forbidden(topic) is None
        and topic.count("/") < LEVELS_MAX
        and len(topic.encode()) <= TOPIC_BYTES_MAX
    )
