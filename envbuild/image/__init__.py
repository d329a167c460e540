"""Images and containers, through the Docker API (``docker-py``)."""
