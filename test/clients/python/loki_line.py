"""A line by python-logging-loki with its defaults but the version of the API, as its guide has it: JSON."""
import logging

import logging_loki

handler = logging_loki.LokiHandler(
    url="http://localhost:3100/loki/api/v1/push", tags={"app": "from-python-logging-loki"}, version="1"
)
logging.getLogger("tea").addHandler(handler)
logging.getLogger("tea").warning("no oolong left")
